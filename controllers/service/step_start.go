package service

import (
	"context"
	"errors"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// stepStart starts the primary slot, or restarts it when it runs something else. In the
// meantime Caddy holds the requests.
type stepStart struct{}

func (stepStart) Name() string      { return "start" }
func (stepStart) Condition() string { return "Started" }

// Done leaves a process alone that systemd itself is restarting, once we have started
// this instance: otherwise every pass would undo systemd's growing delay.
func (stepStart) Done(s *Scope) bool {
	instance := s.instance()
	return s.runs(instance) || s.primary().Active == "activating" && s.memory.started(instance)
}

func (stepStart) Why(s *Scope) string {
	u := s.primary()
	switch {
	case u.Running() && u.Instance == "":
		return "what the primary slot runs is not known"
	case u.Running():
		return "the primary slot runs " + u.Instance
	case u.Active == "":
		return "it does not run"
	}
	return "its unit is " + u.Active
}

// Run notes a start only when it was one: what systemd could not be asked to do does not
// count against the deadline.
//
// What we started, what ended without becoming well (or, not being soaked yet, ended at
// all), and what systemd does not start again by itself, is started once more; the error
// makes the next time come later and later.
func (stepStart) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	instance, u := s.instance(), s.primary()
	if u.Running() && u.Instance == "" && s.memory.started(instance) {
		return reconcile.Result{}, unknownFault(s)
	}
	again := !u.Running() && s.memory.started(instance) && (s.memory.neverWell(instance) || !s.soaked(instance))
	err := s.host.Units.Start(ctx, s.Name, v1.Primary)
	var fault *providers.Fault
	if err == nil || errors.As(err, &fault) && fault.Own {
		s.memory.noteStart(instance, s.Now)
	}
	switch {
	case err != nil || !again:
	case s.Facts.Probe.Reason == portTaken:
		err = takenFault(s)
	default:
		err = endedFault(s)
	}
	return reconcile.Result{}, err
}

func (stepStart) Assume(s *Scope) {
	u := s.primary()
	u.Active, u.Sub, u.Instance, u.Since, u.Restarts = "active", "running", s.instance(), s.Now, 0
	s.Facts.Units.Primary = u
	s.memory.noteStart(u.Instance, s.Now)
}

// unknownFault is for a process that was started by us and does not show its revision:
// stopping it again and again would not help.
func unknownFault(s *Scope) error {
	return &providers.Fault{
		Reason: "RevisionUnknown",
		Message: fmt.Sprintf("%s runs, but its credential `revision` cannot be read; look at /run/credentials and at `systemctl cat %s`",
			v1.UnitName(s.Name, v1.Primary), s.Name),
	}
}
