package service

import (
	"context"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/reconcile"
)

// stepShift moves traffic to a slot: one rename of the upstream file.
type stepShift struct{ slot v1.Slot }

func (stepShift) Name() string        { return "shift" }
func (t stepShift) of() v1.Slot       { return t.slot }
func (t stepShift) Condition() string { return conditionIn(t.slot, "Serving") }

func (t stepShift) Done(s *Scope) bool {
	port := t.port(s)
	return port == 0 || portOf(s.Facts.Releases.Upstream) == port
}

// port is that of what the slot runs or would run, else that of the target.
func (t stepShift) port(s *Scope) int {
	if port := s.port(t.slot); port != 0 || t.slot == v1.Standby {
		return port
	}
	return s.Target.port()
}

func (t stepShift) Why(s *Scope) string {
	switch live := s.live(); {
	case s.Facts.Releases.Upstream == "":
		return "requests go nowhere yet"
	case live == otherSlot(t.slot):
		return fmt.Sprintf("requests go to the %s slot", live)
	}
	return "requests go to " + s.Facts.Releases.Upstream
}

func (t stepShift) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	return reconcile.Result{}, s.host.Releases.Shift(ctx, s.Name, t.port(s))
}

func (t stepShift) Assume(s *Scope) {
	s.Facts.Releases.Upstream = upstream(t.port(s))
	s.memory.live, s.memory.liveSince = t.slot, s.Now
}
