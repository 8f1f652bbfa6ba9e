package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// observe reads everything that concerns the service. An error means that nothing may be
// changed in this round; the Scope then has what was seen before it. Three observations
// carry their own error instead, because only some steps depend on them: the secrets
// file, the route, the probe.
func (r *Reconciler) observe(ctx context.Context, name string, m *memory) (*Scope, error) {
	s := &Scope{Name: name, Assignment: r.desired(name), Now: r.now(), host: r.host, memory: m}
	if s.Assignment.Kind == "" {
		s.Assignment.Kind = v1.Absent
	}
	var err error
	if s.Facts.Releases, err = r.host.Releases.Observe(ctx, name); err != nil {
		return s, fmt.Errorf("observing releases: %w", err)
	}
	if err := observeUnits(ctx, s); err != nil {
		return s, err
	}
	if s.Assignment.Kind == v1.Assigned {
		s.Facts.Secret, s.Facts.SecretErr = r.host.Secrets.Read(ctx, s.Assignment.Service.EnvFile)
	}
	chooseTarget(s)
	if err := observeClosures(ctx, s); err != nil {
		return s, err
	}
	observeRoute(ctx, s)
	observeProbe(ctx, s)
	for _, err := range []error{s.Facts.RouteErr, s.Facts.SecretErr, s.Facts.ProbeErr} {
		if m.doubt == nil {
			m.doubt = err
		}
	}
	return s, nil
}

// observeUnits compares each slot's unit with the release that its own pointer names,
// never with the manifest.
func observeUnits(ctx context.Context, s *Scope) error {
	for _, slot := range slots() {
		facts, err := s.host.Units.Observe(ctx, s.specOf(slot))
		if err != nil {
			return fmt.Errorf("observing unit %s: %w", v1.UnitName(s.Name, slot), err)
		}
		*s.Facts.Units.of(slot) = facts
	}
	return nil
}

// specOf is what the slot's unit should be.
func (s *Scope) specOf(slot v1.Slot) providers.UnitSpec {
	spec := providers.UnitSpec{Service: s.Name, Slot: slot}
	pointed, ok := s.Facts.Releases.Pointers[slot]
	if !ok {
		return spec
	}
	if staged, ok := s.Facts.Releases.Staged[pointed]; ok {
		spec.Release, spec.StandbyPort = &staged.Release, staged.StandbyPort
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
		if strings.HasPrefix(root, s.Name+"-") && !strings.Contains(root[len(s.Name)+1:], "-") {
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
}

func (s *Scope) everRouted() bool {
	for _, r := range s.Facts.Releases.Staged {
		if r.Release.InternalPort != 0 {
			return true
		}
	}
	return false
}

// observeProbe asks the running primary how it is, and notes for how long it has been
// that way. Of a service that goes nobody wants to know.
func observeProbe(ctx context.Context, s *Scope) {
	u := s.primary()
	if s.Assignment.Kind == v1.Dismissed {
		return
	}
	if !u.Running() {
		s.noteDown()
		observeHolder(ctx, s)
		return
	}
	s.memory.noteProcess(u.MainPID)
	running, ok := s.Facts.Releases.Staged[u.Instance]
	if !ok {
		return
	}
	if !asksProbe(running.Release.HealthType) {
		s.memory.noteGood(u.Instance, s.Now, 1, 0)
		return
	}
	// What is on its way out is asked once in a pass: nothing waits for its answer.
	outgoing := s.Target != nil && s.Target.Instance.String() != u.Instance
	if outgoing && s.memory.asked.pid == u.MainPID {
		s.Facts.Probe, s.Facts.ProbeErr = s.memory.asked.probe, s.memory.asked.err
		return
	}
	host := ""
	if h := s.Assignment.Service.HTTP; h != nil {
		host = h.Domain
	}
	health := s.health()
	s.Facts.Probe, s.Facts.ProbeErr = s.host.Prober.Probe(ctx, providers.ProbeRequest{
		Service: s.Name, Slot: v1.Primary, Type: running.Release.HealthType, Health: health,
		Host: host, Port: running.Release.InternalPort, ControlGroup: u.ControlGroup,
	})
	switch {
	case s.Facts.ProbeErr != nil:
		s.Facts.ProbeErr = fmt.Errorf("observing the health: %w", s.Facts.ProbeErr)
	case s.Facts.Probe.OK:
		s.memory.noteGood(u.Instance, s.Now, health.Rise, time.Duration(health.Interval))
	default:
		s.memory.noteUnwell(u.Instance, u.Since, s.Now)
	}
	s.memory.asked = asked{pid: u.MainPID, probe: s.Facts.Probe, err: s.Facts.ProbeErr}
}

// observeHolder looks who holds the port of an instance that was started and ended: a
// program that ends because it cannot listen is not to blame.
func observeHolder(ctx context.Context, s *Scope) {
	pointed, ok := s.pointed()
	if !ok || pointed.Release.InternalPort == 0 || !s.memory.started(pointed.Instance.String()) {
		return
	}
	port := pointed.Release.InternalPort
	who, err := s.host.Prober.Holder(ctx, port)
	switch {
	case err != nil:
		s.Facts.ProbeErr = fmt.Errorf("observing who holds port %d: %w", port, err)
	case who != "":
		s.Facts.Probe = providers.ProbeResult{Reason: portTaken, Answer: fmt.Sprintf("port %d is held by %s", port, who)}
	}
}

// noteDown is for what was started, or was good, and does not run. A release that is
// still to be started is not unwell.
func (s *Scope) noteDown() {
	s.memory.noteProcess(0)
	pointed, ok := s.pointed()
	if !ok {
		return
	}
	if name := pointed.Instance.String(); s.memory.started(name) || s.soaked(name) {
		s.memory.noteUnwell(name, time.Time{}, s.Now)
	}
}
