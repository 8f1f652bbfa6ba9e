package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
	"deployer/controllers/push"
	"deployer/providers"
)

// updater is the manifest's side of a push.
type updater struct {
	*job
	// edited is what the last update did.
	edited *manifest.Edited
}

func (j *job) updater() *updater { return &updater{job: j} }

// check comes before the build and the upload, so that nobody waits for them in vain.
func (u *updater) check(ctx context.Context, service string) error {
	s, err := u.repository.Read(ctx)
	if err != nil {
		return err
	}
	found, err := find(s.Manifest, service)
	if err != nil {
		return err
	}
	if h := found.Hold; !u.despiteHold && holds(h, time.Now()) {
		return held(service, h)
	}
	return nil
}

// find names the service that was probably meant.
func find(m *v1.Manifest, service string) (*v1.Service, error) {
	s, err := manifest.Find(m, service)
	var unknown *manifest.UnknownServiceError
	if err == nil {
		return s, nil
	}
	if errors.As(err, &unknown) {
		if near := v1.Nearest(service, unknown.Known); near != "" {
			return nil, cli.Usagef("%w; did you mean %s?", err, near)
		}
		if len(unknown.Known) == 0 {
			return nil, cli.Usagef("%w", err) // it says the way out
		}
	}
	return nil, cli.Usagef("%w; `deploy-manifest add-service` adds one", err)
}

// holds: the hold is in force; it lapses by itself.
func holds(h *v1.Hold, now time.Time) bool {
	return h != nil && (h.Forever || h.Until != nil && now.Before(*h.Until))
}

func held(service string, h *v1.Hold) error {
	text := service + " is held"
	if h.Owner != "" {
		text += " by " + h.Owner
	}
	if h.Until != nil {
		text += " until " + h.Until.UTC().Format("2006-01-02 15:04 UTC")
	}
	if h.Reason != "" {
		text += " (" + h.Reason + ")"
	}
	return &providers.Fault{
		Reason: "Held",
		Message: fmt.Sprintf("%s, so hosts would start nothing now, and nothing was pushed; `deploy-manifest unhold %s` ends the hold, "+
			"and --despite-hold pushes for the time after it", text, service),
	}
}

// update names the path in the manifest.
func (u *updater) update(ctx context.Context, r push.Release) (generation int64, err error) {
	u.edited, err = u.edit(ctx, r, manifest.EditOptions{By: cli.Who(), Message: u.message})
	if err != nil {
		return 0, err
	}
	return u.edited.After.Generation, nil
}

// edit names the path. A narHash that somebody demanded is renewed; one that nobody asked
// for is not added, for the signature says as much.
func (u *updater) edit(ctx context.Context, r push.Release, o manifest.EditOptions) (*manifest.Edited, error) {
	return u.repository.Edit(ctx, o, func(m *v1.Manifest) error {
		s, err := find(m, r.Service)
		if err := cmp.Or(err, u.careful.valid()); err != nil {
			return err
		}
		demanded := s.Artifact != nil && s.Artifact.NarHash != ""
		manifest.SetRelease(s, r.StorePath, u.commitFor(s, r.StorePath))
		if demanded && r.NarHash != "" {
			s.Artifact.NarHash = r.NarHash
		}
		return nil
	})
}

// commitFor is the commit to write. The first one that led to a path stays with it: a later
// one that led to the same is no change, unless somebody says it.
func (u *updater) commitFor(s *v1.Service, storePath string) string {
	if !u.saysCommit && s.Commit != "" && s.Artifact != nil && s.Artifact.StorePath == storePath {
		return s.Commit
	}
	return u.commit
}

// result is what a push did.
type result struct {
	Service    string   `json:"service"`
	StorePath  string   `json:"storePath"`
	Commit     string   `json:"commit,omitempty"`
	Hosts      []string `json:"hosts"`
	Store      string   `json:"store"`
	Generation int64    `json:"generation"`
	// Written is false when the manifest named this release already.
	Written bool `json:"written"`
	// Archive is the name of the generation before.
	Archive  string `json:"archive,omitempty"`
	Paths    int    `json:"paths"`
	Size     int64  `json:"size"`
	Uploaded int64  `json:"uploaded"`
	SignedBy string `json:"signedBy"`

	before int64
}

func (u *updater) result(d push.Deployed) result {
	service := u.edited.After.Service(d.Service)
	return result{
		Service: d.Service, StorePath: d.StorePath, Commit: service.Commit, Hosts: service.Hosts,
		Store: u.repository.StoreName(), Generation: d.Generation, Written: u.edited.Written, Archive: u.edited.Archive,
		Paths: d.Published.Paths, Size: d.Published.Size, Uploaded: d.Published.Uploaded, SignedBy: d.Published.SignedBy,
		before: u.edited.Before.Generation,
	}
}

func (r result) print(w io.Writer) error {
	if !r.Written {
		_, err := fmt.Fprintf(w, "%s is this release already in generation %d: nothing was written\n", r.Service, r.Generation)
		return err
	}
	fmt.Fprintf(w, "wrote generation %d to %s: %s is %s on %s\n", r.Generation, r.Store, r.Service, r.StorePath, strings.Join(r.Hosts, ", "))
	_, err := fmt.Fprintf(w, "generation %d is archived as %s\n", r.before, r.Archive)
	return err
}
