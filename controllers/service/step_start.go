package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// leavingRecheck is how soon a unit on its way down is looked at again, should no event
// tell that it is there.
const leavingRecheck = 200 * time.Millisecond

// stepStart starts a slot, or restarts it when it runs something else. In the primary of
// a service that does not overlap, Caddy holds the requests in the meantime.
type stepStart struct{ slot v1.Slot }

func (stepStart) Name() string        { return "start" }
func (t stepStart) of() v1.Slot       { return t.slot }
func (t stepStart) Condition() string { return conditionIn(t.slot, "Started") }

// Done leaves a process alone that systemd itself is restarting, once we have started
// this instance: otherwise every pass would undo systemd's growing delay.
func (t stepStart) Done(s *Scope) bool {
	instance, u := s.instance(), s.unit(t.slot)
	return s.runs(t.slot, instance) || u.Active == "activating" && (s.mind(t.slot).started(instance) || u.Instance == instance)
}

func (t stepStart) Why(s *Scope) string {
	u := s.unit(t.slot)
	switch {
	case u.Running() && u.Instance == "":
		return fmt.Sprintf("what the %s slot runs is not known", t.slot)
	case s.altered(t.slot):
		return fmt.Sprintf("the %s slot's process was started with a unit that somebody had changed", t.slot)
	case u.Running():
		return fmt.Sprintf("the %s slot runs %s", t.slot, u.Instance)
	case u.Active == "":
		return "it does not run"
	}
	return "its unit is " + u.Active
}

// Run notes a start only when it was one: what systemd could not be asked to do does not
// count against the deadline.
//
// What we started and is on its way down gets there first: a start in its way would hide how
// it ended, and a release that dies again and again would never be judged.
//
// What we started, what ended without becoming well (or, not being soaked yet, ended at
// all), and what systemd does not start again by itself, is started once more; the error
// makes the next time come later and later.
func (t stepStart) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	instance, u, mind := s.instance(), s.unit(t.slot), s.mind(t.slot)
	switch {
	case u.Active == "deactivating" && mind.started(instance):
		return reconcile.Result{RequeueAfter: leavingRecheck}, nil
	case u.Running() && u.Instance == "" && mind.started(instance):
		return reconcile.Result{}, unknownFault(s, t.slot)
	case t.slot == v1.Primary && !u.Running() && s.Facts.Holder != "":
		return reconcile.Result{}, takenFault(s)
	}
	again := !u.Running() && mind.started(instance) && (mind.neverWell(instance) || !s.soaked(instance))
	err := s.host.Units.Start(ctx, s.Name, t.slot)
	var fault *providers.Fault
	own := errors.As(err, &fault) && fault.Own
	if err == nil || own {
		mind.noteStart(instance, s.Now)
	}
	if own {
		mind.startFault = fault
	}
	if err == nil && again {
		err = endedFault(s, t.slot)
	}
	return reconcile.Result{}, err
}

func (t stepStart) Assume(s *Scope) {
	u := s.unit(t.slot)
	u.Active, u.Sub, u.Instance, u.Since, u.Restarts = "active", "running", s.instance(), s.Now, 0
	if t.slot == v1.Primary {
		s.Facts.Holder = ""
	}
	s.Facts.of(t.slot).Probe, s.Facts.of(t.slot).ProbeErr = providers.ProbeResult{}, nil
	s.mind(t.slot).noteStart(u.Instance, s.Now)
}

// unknownFault is for a process that was started by us and does not show its revision:
// stopping it again and again would not help.
func unknownFault(s *Scope, slot v1.Slot) error {
	unit := v1.UnitName(s.Name, slot)
	return &providers.Fault{
		Reason: "RevisionUnknown",
		Message: fmt.Sprintf("%s runs, but its credential `revision` cannot be read; look at /run/credentials and at `systemctl cat %s`",
			unit, unit),
	}
}
