package manifest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// rollbackService takes one release back. A service that is not wanted any more comes back
// as a whole.
func (r *Repository) rollbackService(ctx context.Context, o RollbackOptions) (*Rollback, error) {
	s, err := r.Read(ctx)
	if err != nil {
		return nil, err
	}
	now := s.Manifest.Service(o.Service)
	search := releaseSearch{o: o, lineage: s.Manifest.Lineage, current: now}
	var to *Version
	if o.To != "" {
		to, err = r.Version(ctx, o.To)
	} else {
		to, err = r.previousRelease(ctx, s.Manifest, &search)
	}
	if err != nil {
		return nil, err
	}
	then, err := Find(to.Manifest, o.Service)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", to.Title(), err)
	case !then.HasRelease():
		return nil, &providers.Fault{Reason: "NoRelease", Message: fmt.Sprintf("%s had no release of %s yet; `deploy-manifest history %s` shows which ones there were", to.Title(), o.Service, o.Service)}
	}
	return &Rollback{
		To: to, Skipped: search.skipped, Message: fmt.Sprintf("rollback %s to %s of %s", o.Service, releaseName(then), to.Title()),
		Edit: func(m *v1.Manifest) error { return takeBack(m, now, *then, o) },
	}, nil
}

// takeBack gives the service the release that it had then, if it still has the one that was
// to be left. Who named a version gets that one in any case.
func takeBack(m *v1.Manifest, seen *v1.Service, then v1.Service, o RollbackOptions) error {
	now := m.Service(o.Service)
	if o.To == "" {
		switch {
		case now == nil && seen != nil:
			return overtaken("somebody else removed "+o.Service+" meanwhile", "deploy-manifest history "+o.Service)
		case now != nil && sameRelease(now, &then):
			return nil
		case now != nil && (seen == nil || !sameRelease(now, seen)):
			return overtaken(fmt.Sprintf("somebody else gave %s another release meanwhile, %s", o.Service, releaseName(now)), "deploy-manifest history "+o.Service)
		}
	}
	if now == nil {
		Put(m, then)
		return nil
	}
	now.TakeRelease(then)
	return nil
}

func sameRelease(a, b *v1.Service) bool {
	return a.HasRelease() == b.HasRelease() && a.Release().Revision() == b.Release().Revision()
}

// previousRelease is the newest version in which the service had another release than it
// has now, one to deploy, and none that is known as bad.
func (r *Repository) previousRelease(ctx context.Context, now *v1.Manifest, search *releaseSearch) (*Version, error) {
	names, err := r.Archives(ctx)
	if err != nil {
		return nil, err
	}
	for part := range slices.Chunk(names, readers) {
		some, err := r.Versions(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, v := range inOrder(nil, some) {
			if search.fits(v) {
				return &v, nil
			}
		}
	}
	return nil, search.inVain(now)
}

type releaseSearch struct {
	o       RollbackOptions
	lineage string
	// current is what is to be left; nil for a service that is not wanted any more.
	current *v1.Service
	// known: some version had the service.
	known   bool
	skipped []Skipped
}

func (s *releaseSearch) fits(v Version) bool {
	if v.Manifest == nil || v.Manifest.Lineage != s.lineage {
		return false
	}
	then := v.Manifest.Service(s.o.Service)
	s.known = s.known || then != nil
	if then == nil || !then.HasRelease() || s.current != nil && sameRelease(then, s.current) {
		return false
	}
	return !s.bad(v, then)
}

// bad notes a release that a host judged bad, once for all versions that had it.
func (s *releaseSearch) bad(v Version, then *v1.Service) bool {
	if s.o.Bad == nil {
		return false
	}
	hosts := s.o.Bad(s.lineage, then.Release())
	if len(hosts) == 0 {
		return false
	}
	revision := then.Release().Revision()
	if !slices.ContainsFunc(s.skipped, func(known Skipped) bool { return known.Revision == revision }) {
		s.skipped = append(s.skipped, Skipped{Version: v, Revision: revision, Hosts: hosts})
	}
	return true
}

// inVain says why there is nothing to go back to.
func (s *releaseSearch) inVain(now *v1.Manifest) error {
	if s.current == nil && !s.known {
		_, err := Find(now, s.o.Service)
		return err
	}
	message := "the archive has no other release of " + s.o.Service
	if len(s.skipped) > 0 {
		message += " than those that a host judged bad ("
		for i, bad := range s.skipped {
			if i > 0 {
				message += ", "
			}
			message += fmt.Sprintf("%s of %s on %s", bad.Revision, bad.Version.Title(), strings.Join(bad.Hosts, ", "))
		}
		message += "); name a version to go back to one all the same"
	}
	return &providers.Fault{Reason: "NoRelease", Message: message + "; `deploy-manifest history " + s.o.Service + "` shows which ones there were"}
}
