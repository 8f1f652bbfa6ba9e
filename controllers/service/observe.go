package service

import (
	"context"
	"errors"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// observe reads everything that concerns the service. An error means that nothing may be
// changed in this round; the Scope then has what was seen before it. Some observations
// carry their own error instead, because only some steps depend on them: the secrets
// file, the route, the probes, the connections.
func (r *Reconciler) observe(ctx context.Context, name string, m *memory) (*Scope, error) {
	s := &Scope{Name: name, Assignment: r.desired(name), Now: r.now(), host: r.host, memory: m}
	if s.Assignment.Kind == "" {
		s.Assignment.Kind = v1.Absent
	}
	r.chooseHold(s)
	var err error
	if s.Facts.Releases, err = r.host.Releases.Observe(ctx, name); err != nil {
		return s, fmt.Errorf("observing releases: %w", err)
	}
	if err := observeUnits(ctx, s); err != nil {
		return s, err
	}
	if s.Assignment.Kind == v1.Assigned {
		s.Facts.Secret, s.Facts.SecretErr = r.host.Secrets.Read(ctx, s.Assignment.Service.EnvFile)
		m.doubts(s.Facts.SecretErr)
	}
	if s.isNewHere() {
		s.Deferred = r.fleet(ctx, name, s.Assignment.Revision)
	}
	chooseTarget(s)
	if s.Assignment.Kind == v1.Dismissed {
		s.Successor = r.successor(Place{Service: name, Route: m.seen().Route, Port: s.port(v1.Primary)})
	}
	if err := observeClosures(ctx, s); err != nil {
		return s, err
	}
	observeRoute(ctx, s)
	observeSlots(ctx, s)
	return s, nil
}

// isNewHere: the manifest wants a revision of which this host has nothing. What was begun is
// this host's own business, also when it is tried again.
func (s *Scope) isNewHere() bool {
	if s.Assignment.Kind != v1.Assigned || s.Assignment.Revision == "" {
		return false
	}
	for _, r := range s.Facts.Releases.Staged {
		if r.Instance.Revision == s.Assignment.Revision {
			return false
		}
	}
	return true
}

// doubts notes the first observation of a pass that failed without ending it.
func (m *memory) doubts(err error) {
	if m.doubt == nil {
		m.doubt = err
	}
}

// observeUnits compares each slot's unit with the release that its own pointer names,
// never with the manifest.
func observeUnits(ctx context.Context, s *Scope) error {
	for _, slot := range slots() {
		facts, err := s.host.Units.Observe(ctx, s.specOf(slot))
		if err != nil {
			return fmt.Errorf("observing unit %s: %w", v1.UnitName(s.Name, slot), err)
		}
		*s.unit(slot) = facts
	}
	return nil
}

// specOf is what the slot's unit should be.
func (s *Scope) specOf(slot v1.Slot) providers.UnitSpec {
	spec := providers.UnitSpec{Service: s.Name, Slot: slot}
	staged, ok := s.pointed(slot)
	if !ok {
		return spec
	}
	spec.Release = &staged.Release
	if slot == v1.Standby {
		spec.StandbyPort = staged.StandbyPort
	}
	return spec
}

// observeClosures looks at the paths of the target and of the last good one, and at the
// roots of all that may run again; a removal needs the roots of every instance, also those
// whose directory is gone.
func observeClosures(ctx context.Context, s *Scope) error {
	s.Facts.Roots = map[string]string{}
	if s.Assignment.Kind == v1.Dismissed {
		return observeAllRoots(ctx, s)
	}
	paths := make([]string, 0, 2)
	for _, t := range [...]*Target{s.Target, s.Keep} {
		if t == nil {
			continue
		}
		paths = append(paths, t.Release.StorePath)
	}
	for _, root := range s.wantedRoots() {
		switch target, err := s.host.Closures.RootTarget(ctx, root.name); {
		case err == nil:
			s.Facts.Roots[root.name] = target
		case !errors.Is(err, providers.ErrNotFound):
			return fmt.Errorf("observing root %s: %w", root.name, err)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	var err error
	if s.Facts.Closures, err = s.host.Closures.Observe(ctx, paths...); err != nil {
		return fmt.Errorf("observing closures: %w", err)
	}
	return nil
}

func observeAllRoots(ctx context.Context, s *Scope) error {
	all, err := s.host.Closures.Roots(ctx)
	if err != nil {
		return fmt.Errorf("listing roots: %w", err)
	}
	for root, target := range all {
		if service, _, ours := v1.ParseRootName(root); ours && service == s.Name {
			s.Facts.Roots[root] = target
		}
	}
	return nil
}

// observeRoute asks Caddy only about services that have, or had, something to route, so
// that a host of workers needs no Caddy. What the manifest does not mention is left alone
// anyway.
func observeRoute(ctx context.Context, s *Scope) {
	want := s.wantsRoute()
	if s.Assignment.Kind == v1.Absent || want == nil && s.Facts.Releases.Upstream == "" && !s.everRouted() {
		return
	}
	s.Facts.Route, s.Facts.RouteErr = s.host.Routes.Observe(ctx, s.Name, want)
	if s.Facts.RouteErr != nil {
		s.Facts.RouteErr = fmt.Errorf("observing the route: %w", s.Facts.RouteErr)
	}
	s.memory.doubts(s.Facts.RouteErr)
}

func (s *Scope) everRouted() bool {
	for _, r := range s.Facts.Releases.Staged {
		if r.Release.InternalPort != 0 {
			return true
		}
	}
	return false
}
