package service

import (
	"context"
	"fmt"
	"strings"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// stepInstall points a slot to the release and makes its unit, rendered from that release
// and from nothing else, what systemd has loaded. It starts nothing.
//
// The pointer moves first: from then on a start, also one of systemd's own, runs the new
// release, and the unit follows within the same step.
type stepInstall struct{ slot v1.Slot }

func (stepInstall) Name() string        { return "install" }
func (i stepInstall) of() v1.Slot       { return i.slot }
func (i stepInstall) Condition() string { return conditionIn(i.slot, "Installed") }

func (i stepInstall) Done(s *Scope) bool {
	return s.Facts.Releases.Pointers[i.slot] == s.instance() && s.unit(i.slot).Current && !i.portTaken(s)
}

func (i stepInstall) Why(s *Scope) string {
	now := s.Facts.Releases.Pointers[i.slot]
	switch {
	case now == "" && i.slot == v1.Standby:
		return "the standby slot is free for it"
	case now == "":
		return "the service has no unit yet"
	case now != s.instance():
		return fmt.Sprintf("the %s slot is %s", i.slot, now)
	case i.portTaken(s):
		return "its port in the standby slot is taken: " + s.Facts.Standby.Probe.Answer
	}
	return "the unit differs: " + strings.Join(s.unit(i.slot).Differs, ", ")
}

func (i stepInstall) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	instance := s.instance()
	staged, ok := s.Facts.Releases.Staged[instance]
	if !ok {
		return reconcile.Result{}, fmt.Errorf("installing %s: it is not staged: %w", instance, providers.ErrNotFound)
	}
	if i.slot == v1.Standby {
		port, err := i.reserve(ctx, s, staged)
		if err != nil {
			return reconcile.Result{}, err
		}
		staged.StandbyPort = port
	}
	if s.Facts.Releases.Pointers[i.slot] != instance {
		if err := s.host.Releases.Point(ctx, s.Name, i.slot, instance); err != nil {
			return reconcile.Result{}, fmt.Errorf("pointing the %s slot to %s: %w", i.slot, instance, err)
		}
	}
	spec := providers.UnitSpec{Service: s.Name, Slot: i.slot, Release: &staged.Release}
	if i.slot == v1.Standby {
		spec.StandbyPort = staged.StandbyPort
	}
	return reconcile.Result{}, s.host.Units.Install(ctx, spec)
}

// reserve gives the release a port of its own in the standby slot, on record before
// anything listens on it. It keeps it, unless somebody else was faster.
func (i stepInstall) reserve(ctx context.Context, s *Scope, staged providers.StagedRelease) (int, error) {
	if staged.StandbyPort != 0 && !i.portTaken(s) {
		return staged.StandbyPort, nil
	}
	avoid := []int{staged.Release.InternalPort}
	for _, r := range s.Facts.Releases.Staged {
		if slot := s.Facts.Releases.Pointers; slot[v1.Primary] == r.Instance.String() {
			avoid = append(avoid, r.Release.InternalPort)
		}
	}
	if staged.StandbyPort != 0 {
		avoid = append(avoid, staged.StandbyPort)
	}
	port, err := s.host.Ports.Free(ctx, s.Name, avoid)
	if err != nil {
		return 0, fmt.Errorf("finding a port for the standby: %w", err)
	}
	if err := s.host.Releases.Reserve(ctx, s.Name, s.instance(), port); err != nil {
		return 0, fmt.Errorf("recording port %d for the standby: %w", port, err)
	}
	return port, nil
}

// portTaken reports whether a stranger listens on the standby's port.
func (i stepInstall) portTaken(s *Scope) bool {
	return i.slot == v1.Standby && s.Facts.Standby.Probe.Reason == portTaken &&
		s.Facts.Releases.Pointers[v1.Standby] == s.instance()
}

func (i stepInstall) Assume(s *Scope) {
	instance := s.instance()
	s.Facts.Releases.Pointers[i.slot] = instance
	u := s.unit(i.slot)
	u.Found, u.Ours, u.Current, u.Differs = true, true, true, nil
	if i.slot == v1.Standby {
		r := s.Facts.Releases.Staged[instance]
		r.StandbyPort = assumedPort
		s.Facts.Releases.Staged[instance] = r
		s.Facts.Standby.Probe = providers.ProbeResult{}
	}
}

// assumedPort stands for the port that will be found; nobody listens on it.
const assumedPort = -1

// conditionIn is the type of a condition about a slot.
func conditionIn(slot v1.Slot, kind string) string {
	if slot == v1.Standby {
		return "Standby" + kind
	}
	return kind
}
