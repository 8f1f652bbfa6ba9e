// Package await shows the fleet and waits for it: what deploy-push --wait and deploy-manifest
// status share. It reads the manifest and the hosts' reports in the store, and nothing else.
package await

import (
	"context"
	"errors"
	"slices"
	"time"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/fleet"
	"deployer/controllers/manifest"
	"deployer/providers"
)

// Fleet is the fleet as the store tells of it.
type Fleet struct {
	repository *manifest.Repository
	reader     *fleet.Reader
	service    string
	now        func() time.Time
	last       *manifest.Snapshot
}

// NewFleet looks at one service, or at all when that is empty.
func NewFleet(o Options) *Fleet {
	return &Fleet{repository: o.Repository, reader: fleet.NewReader(o.Objects), service: o.Service, now: o.Now}
}

// Look reads what changed since the last look.
func (f *Fleet) Look(ctx context.Context) (fleet.View, error) {
	if err := f.readManifest(ctx); err != nil {
		return fleet.View{}, err
	}
	m := f.last.Manifest
	if f.service != "" && m.Service(f.service) == nil && !m.IsRemoved(f.service) {
		_, err := manifest.Find(m, f.service)
		return fleet.View{}, cli.Usagef("%w", err)
	}
	hosts, err := f.reader.Reporting(ctx)
	if err != nil {
		return fleet.View{}, err
	}
	hosts = append(hosts, fleet.HostsOf(m, f.service)...)
	slices.Sort(hosts)
	v := fleet.Judge(m, f.reader.Read(ctx, slices.Compact(hosts)), f.service, f.now())
	if f.service != "" {
		v.Hosts = slices.DeleteFunc(v.Hosts, func(h fleet.Host) bool { return !h.Named && !concerned(v, h.Name) })
	}
	return v, nil
}

// readManifest never takes an older one for the newest: what cannot be read is an error.
func (f *Fleet) readManifest(ctx context.Context) error {
	if f.last == nil {
		s, err := f.repository.Read(ctx)
		f.last = s
		return err
	}
	s, err := f.repository.ReadIfChanged(ctx, f.last.ETag)
	switch {
	case errors.Is(err, providers.ErrNotModified):
		return nil
	case err != nil:
		return err
	}
	f.last = s
	return nil
}

// wanted is the release that the manifest wants of the service; empty for none.
func (f *Fleet) wanted() string {
	s := f.last.Manifest.Service(f.service)
	if s == nil || !s.HasRelease() {
		return ""
	}
	return s.Release().Revision()
}

func concerned(v fleet.View, host string) bool {
	return slices.ContainsFunc(v.Services, func(r fleet.Row) bool { return r.Host == host })
}

// Code is the exit code that an outcome means.
func Code(o fleet.Outcome) int {
	switch o {
	case fleet.Failed:
		return cli.ExitFailed
	case fleet.Unknown:
		return cli.ExitUnknown
	case fleet.Going:
		return cli.ExitDifferent
	}
	return cli.ExitOK
}

// short is a commit for a narrow column.
func short(t v1.Target) string {
	const length = 12
	return t.Commit[:min(len(t.Commit), length)]
}
