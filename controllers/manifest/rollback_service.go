package manifest

import (
	"context"
	"fmt"
	"slices"

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
	var to *Version
	if o.To != "" {
		to, err = r.Version(ctx, o.To)
	} else {
		to, err = r.previousRelease(ctx, s.Manifest, o)
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
		To: to, Message: fmt.Sprintf("rollback %s to %s of %s", o.Service, releaseName(then), to.Title()),
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
func (r *Repository) previousRelease(ctx context.Context, now *v1.Manifest, o RollbackOptions) (*Version, error) {
	names, err := r.Archives(ctx)
	if err != nil {
		return nil, err
	}
	search := releaseSearch{o: o, lineage: now.Lineage, current: now.Service(o.Service)}
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
	// known: some version had the service. bad counts the releases that were passed over.
	known bool
	bad   int
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
	if s.o.Bad != nil && s.o.Bad(then.Name, then.Release()) {
		s.bad++
		return false
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
	if s.bad > 0 {
		message += " than those that a host judged bad; name a version to go back to one all the same"
	}
	return &providers.Fault{Reason: "NoRelease", Message: message + "; `deploy-manifest history " + s.o.Service + "` shows which ones there were"}
}
