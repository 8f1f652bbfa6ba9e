package service

import (
	"context"
	"fmt"
	"strings"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// stepInstall points the primary slot to the release and makes its unit, rendered from
// that release and from nothing else, what systemd has loaded. It starts nothing.
//
// The pointer moves first: from then on a start, also one of systemd's own, runs the new
// release, and the unit follows within the same step.
type stepInstall struct{}

func (stepInstall) Name() string      { return "install" }
func (stepInstall) Condition() string { return "Installed" }

func (stepInstall) Done(s *Scope) bool {
	return s.Facts.Releases.Pointers[v1.Primary] == s.instance() && s.primary().Current
}

func (stepInstall) Why(s *Scope) string {
	now := s.Facts.Releases.Pointers[v1.Primary]
	switch {
	case now == "":
		return "the service has no unit yet"
	case now != s.instance():
		return "the primary slot is " + now
	}
	return "the unit differs: " + strings.Join(s.primary().Differs, ", ")
}

func (stepInstall) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	instance := s.instance()
	if s.Facts.Releases.Pointers[v1.Primary] != instance {
		if err := s.host.Releases.Point(ctx, s.Name, v1.Primary, instance); err != nil {
			return reconcile.Result{}, fmt.Errorf("pointing the primary slot to %s: %w", instance, err)
		}
	}
	release := *s.Target.Release
	if staged, ok := s.Facts.Releases.Staged[instance]; ok {
		release = staged.Release
	}
	return reconcile.Result{}, s.host.Units.Install(ctx, providers.UnitSpec{
		Service: s.Name, Slot: v1.Primary, Release: &release,
	})
}

func (stepInstall) Assume(s *Scope) {
	s.Facts.Releases.Pointers[v1.Primary] = s.instance()
	u := s.primary()
	u.Found, u.Ours, u.Current, u.Differs = true, true, true, nil
	s.Facts.Units.Primary = u
}
