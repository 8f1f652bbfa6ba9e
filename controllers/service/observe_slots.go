package service

import (
	"context"
	"fmt"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// observeSlots asks each slot that runs how it is, and notes for how long it has been that
// way; of a primary that does not run, who holds its port; of a slot that lost its traffic,
// which connections are left. Of a service that goes nobody wants to know.
func observeSlots(ctx context.Context, s *Scope) {
	if s.Assignment.Kind == v1.Dismissed {
		return
	}
	for _, slot := range slots() {
		s.mind(slot).noteProcess(s.unit(slot))
		if s.unit(slot).Running() {
			observeProbe(ctx, s, slot)
		} else {
			s.noteDown(slot)
			observeHolder(ctx, s, slot)
		}
		s.memory.doubts(s.Facts.of(slot).ProbeErr)
	}
	s.memory.noteLive(s.live(), s.Now)
	observeDrain(ctx, s)
}

func observeProbe(ctx context.Context, s *Scope, slot v1.Slot) {
	u, f, mind := s.unit(slot), s.Facts.of(slot), s.mind(slot)
	running, ok := s.Facts.Releases.Staged[u.Instance]
	if !ok {
		return
	}
	if !asksProbe(running.Release.HealthType) {
		mind.noteGood(u.Instance, s.Now, 1, 0)
		return
	}
	// What is on its way out is asked once in a pass: nothing waits for its answer.
	outgoing := s.Target != nil && s.Target.name != u.Instance
	if outgoing && mind.asked.pid == u.MainPID {
		f.Probe, f.ProbeErr = mind.asked.probe, mind.asked.err
		return
	}
	health := s.health()
	f.Probe, f.ProbeErr = s.host.Prober.Probe(ctx, s.question(slot, &running, health))
	interval := time.Duration(health.Interval)
	switch {
	case f.ProbeErr != nil:
		f.ProbeErr = fmt.Errorf("observing the health: %w", f.ProbeErr)
	case f.Probe.OK:
		mind.noteGood(u.Instance, s.Now, health.Rise, interval)
	default:
		mind.noteUnwell(u.Instance, u.Since, s.Now, interval)
	}
	mind.asked = asked{pid: u.MainPID, probe: f.Probe, err: f.ProbeErr}
}

// question is what the slot is asked: at the port that it has in that slot.
func (s *Scope) question(slot v1.Slot, running *providers.StagedRelease, health v1.Health) providers.ProbeRequest {
	q := providers.ProbeRequest{
		Service: s.Name, Slot: slot, Type: running.Release.HealthType, Health: health,
		Port: running.Release.InternalPort, ControlGroup: s.unit(slot).ControlGroup, Release: &running.Release,
	}
	if slot == v1.Standby {
		q.Port = running.StandbyPort
	}
	if h := s.Assignment.Service.HTTP; h != nil {
		q.Host = h.Domain
	}
	return q
}

// observeHolder looks who holds the port of a slot that does not run: a program that cannot
// listen is not to blame, and one that could not need not be started.
func observeHolder(ctx context.Context, s *Scope, slot v1.Slot) {
	port := s.port(slot)
	if port == 0 && slot == v1.Primary && s.Target != nil {
		port = s.Target.port()
	}
	if port <= 0 || hasProcess(s.unit(slot)) || s.Assignment.Kind != v1.Assigned {
		return
	}
	f := s.Facts.of(slot)
	who, err := s.host.Prober.Holder(ctx, port)
	switch {
	case err != nil:
		f.ProbeErr = fmt.Errorf("observing who holds port %d: %w", port, err)
	case who == "":
	case slot == v1.Primary:
		s.Facts.Holder = who
		fallthrough
	default:
		f.Probe = providers.ProbeResult{Reason: portTaken, Answer: fmt.Sprintf("port %d is held by %s", port, who)}
	}
}

// hasProcess: it comes or goes, and its port may still, or already, be its own.
func hasProcess(u *providers.UnitFacts) bool {
	return u.Active == "deactivating" || u.Active == "activating" && u.MainPID != 0
}

// observeDrain counts the connections of a slot that the requests have left.
func observeDrain(ctx context.Context, s *Scope) {
	for _, slot := range slots() {
		if port := s.port(slot); port > 0 && s.unit(slot).Running() && s.live() == otherSlot(slot) {
			open, err := s.host.Ports.Connections(ctx, port)
			if err != nil {
				s.memory.doubts(fmt.Errorf("observing the connections to port %d: %w", port, err))
				open = 1 // there may be some
			}
			s.Facts.of(slot).Open = open
		}
	}
}

// noteDown is for what was started, or was good, and does not run. A release that is
// still to be started is not unwell.
func (s *Scope) noteDown(slot v1.Slot) {
	pointed, ok := s.pointed(slot)
	if !ok {
		return
	}
	if name := pointed.Instance.String(); s.mind(slot).started(name) || s.soaked(name) {
		s.mind(slot).noteUnwell(name, time.Time{}, s.Now, 0)
	}
}
