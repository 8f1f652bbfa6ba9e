package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
	"deployer/controllers/push"
	"deployer/providers"
	"deployer/providers/systemd"
)

// try is --dry-run: what would be uploaded, what would change in the manifest, and in the
// unit on each host.
func (j *job) try(ctx context.Context) error {
	u := j.updater()
	j.display.busy(comparing)
	p, err := push.DryRun(ctx, j.pushOptions(u))
	if err != nil {
		return err
	}
	release := push.Release{Service: p.Service, StorePath: p.StorePath, NarHash: p.Upload.NarHash}
	edited, err := u.edit(ctx, release, manifest.EditOptions{By: cli.Who(), Message: j.message, DryRun: true})
	if err != nil {
		return err
	}
	t, err := u.trial(p, edited)
	if err != nil {
		return err
	}
	j.display.end()
	return cli.Print(j.out, j.format, t, t.print)
}

// trial is what a push would do.
type trial struct {
	Service   string   `json:"service"`
	StorePath string   `json:"storePath"`
	Store     string   `json:"store"`
	Hosts     []string `json:"hosts"`
	// Paths of the closure and what they take on a host, in bytes.
	Paths int   `json:"paths"`
	Size  int64 `json:"size"`
	// Upload lists the paths that the cache lacks, and UploadSize adds them up, in bytes
	// before compression.
	Upload     []trialPath `json:"upload"`
	UploadSize int64       `json:"uploadSize"`
	// Sign lists paths that the cache has without our signature.
	Sign []string `json:"sign,omitempty"`
	// Generation in force, and what a write would change in it.
	Generation int64       `json:"generation"`
	Changes    []v1.Change `json:"changes"`
	// Unit by name, and how its text would change: a unified diff, empty when it would not.
	Unit     string `json:"unit"`
	UnitDiff string `json:"unitDiff"`
}

type trialPath struct {
	StorePath string `json:"storePath"`
	Size      int64  `json:"size"`
	Problem   string `json:"problem,omitempty"`
}

func (u *updater) trial(p push.Preview, e *manifest.Edited) (trial, error) {
	before, after := e.Before.Service(p.Service), e.After.Service(p.Service)
	t := trial{
		Service: p.Service, StorePath: p.StorePath, Store: u.repository.StoreName(), Hosts: after.Hosts,
		Paths: p.Upload.Paths, Size: p.Upload.Size, Upload: []trialPath{}, Sign: p.Upload.Sign,
		Generation: e.Before.Generation, Changes: append([]v1.Change{}, v1.Diff(e.Before, e.After)...),
		Unit: v1.UnitName(p.Service, v1.Primary),
	}
	for _, up := range p.Upload.Upload {
		t.Upload = append(t.Upload, trialPath(up))
		t.UploadSize += up.Size
	}
	was, err := unitText(before)
	if err != nil {
		return t, err
	}
	becomes, err := unitText(after)
	if err != nil {
		return t, err
	}
	t.UnitDiff = udiff.Unified(t.Unit+" (now)", t.Unit+" (then)", was, becomes)
	return t, nil
}

// systemdOfHosts is the version that units are shown for; from 254 on they are the same.
const systemdOfHosts = 257

// unitText is the unit that a host makes of the release; empty when there is none.
func unitText(s *v1.Service) (string, error) {
	if s == nil || !s.HasRelease() {
		return "", nil
	}
	release := s.Release().Default()
	unit, err := systemd.Render(providers.UnitSpec{Service: s.Name, Slot: v1.Primary, Release: &release},
		systemd.RenderOptions{Paths: providers.DefaultPaths(), Version: systemdOfHosts})
	return unit.Text, err
}

func (t trial) print(w io.Writer) error {
	if len(t.Upload) == 0 {
		fmt.Fprintf(w, "upload: nothing, %s has all %d paths (%s)\n", t.Store, t.Paths, push.Bytes(t.Size))
	} else {
		fmt.Fprintf(w, "upload: %d of %d paths, %s before compression, to %s\n", len(t.Upload), t.Paths, push.Bytes(t.UploadSize), t.Store)
	}
	for _, up := range t.Upload {
		note := ""
		if up.Problem != "" {
			note = "  (what the cache has is damaged: " + up.Problem + ")"
		}
		fmt.Fprintf(w, "  %10s  %s%s\n", push.Bytes(up.Size), up.StorePath, note)
	}
	if len(t.Sign) > 0 {
		fmt.Fprintf(w, "sign: %d paths that the cache has without your signature\n", len(t.Sign))
	}
	t.printChanges(w)
	_, err := fmt.Fprintln(w, "dry run: nothing was uploaded or written")
	return err
}

func (t trial) printChanges(w io.Writer) {
	if len(t.Changes) == 0 {
		fmt.Fprintf(w, "manifest: generation %d says this already\n", t.Generation)
	} else {
		fmt.Fprintf(w, "manifest: generation %d → %d, for %s\n", t.Generation, t.Generation+1, strings.Join(t.Hosts, ", "))
		fmt.Fprint(w, indent(v1.FormatDiff(t.Changes)))
	}
	if t.UnitDiff == "" {
		fmt.Fprintf(w, "unit: the text of %s stays the same; a release is only another target of its pointer\n", t.Unit)
		return
	}
	fmt.Fprintf(w, "unit: the text of %s changes\n%s", t.Unit, indent(t.UnitDiff))
}

func indent(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString("  " + line)
	}
	return out.String()
}
