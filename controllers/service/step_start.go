package service

import (
	"context"

	v1 "deployer/api/v1"
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
	instance := s.Target.Instance.String()
	u := s.primary()
	if s.runs(instance) {
		return true
	}
	return u.Active == "activating" && s.memory.started(instance)
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

func (stepStart) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	s.memory.noteStart(s.Target.Instance.String(), s.Now)
	return reconcile.Result{}, s.host.Units.Start(ctx, s.Name, v1.Primary)
}

func (stepStart) Assume(s *Scope) {
	u := s.primary()
	u.Active, u.Sub, u.Instance, u.Since = "active", "running", s.Target.Instance.String(), s.Now
	s.Facts.Units[v1.Primary] = u
	s.memory.noteStart(u.Instance, s.Now)
	s.memory.good = 0
}
