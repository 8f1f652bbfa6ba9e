package service

import (
	"context"
	"fmt"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// stepHealth waits until the started instance is well: enough good probes in a row.
// An instance that ends or misses its deadline is the release's own fault; judging it bad
// and going back by itself will start from that error.
type stepHealth struct{}

func (stepHealth) Name() string      { return "health" }
func (stepHealth) Condition() string { return "Healthy" }

// Done asks for the whole series of probes only of an instance that has not soaked yet.
// One that has soaked is waited for after a start of ours; answering badly later, it
// keeps its traffic and its place, and status says that it is degraded.
func (stepHealth) Done(s *Scope) bool {
	if !s.primary().Running() {
		return false
	}
	if !s.probed() {
		return true
	}
	if s.soaked(s.instance()) {
		return s.Facts.Probe.OK || !s.coming()
	}
	return s.memory.good >= s.health().Rise
}

func (h stepHealth) lenient(s *Scope) (v1.ConditionStatus, error) {
	switch {
	case !s.probed() || s.Facts.Probe.OK:
		return v1.True, nil
	case s.Facts.ProbeErr != nil:
		return v1.Unknown, s.Facts.ProbeErr
	}
	return v1.False, &providers.Fault{Reason: s.Facts.Probe.Reason, Message: h.Why(s)}
}

func (stepHealth) Why(s *Scope) string {
	switch u := s.primary(); {
	case !u.Running() && s.Facts.Probe.Reason == portTaken:
		return s.Facts.Probe.Answer
	case !u.Running() && s.memory.started(s.instance()):
		return fmt.Sprintf("its unit is %s after %s", u.Active, exitOf(u))
	case !u.Running():
		return "its unit is " + u.Active
	case s.Facts.ProbeErr != nil:
		return s.Facts.ProbeErr.Error()
	case s.Facts.Probe.OK:
		return fmt.Sprintf("%d of %d good probes so far", s.memory.good, s.health().Rise)
	case s.Facts.Probe.Answer != "":
		return s.Facts.Probe.URL + " answers: " + s.Facts.Probe.Answer
	}
	return "it has not been asked yet"
}

// Run only waits: the probe is an observation, and was made with the others.
func (h stepHealth) Run(_ context.Context, s *Scope) (reconcile.Result, error) {
	unwell := s.memory.unwellFor(s.instance(), s.Now)
	deadline := time.Duration(s.health().Deadline)
	switch {
	case s.Facts.ProbeErr != nil:
		return reconcile.Result{}, s.Facts.ProbeErr
	case s.soaked(s.instance()) && unwell >= deadline:
		return reconcile.Result{RequeueAfter: unwellRecheck}, nil
	case s.soaked(s.instance()):
	case s.Facts.Probe.Reason == portTaken:
		return reconcile.Result{}, takenFault(s)
	case s.ended():
		return reconcile.Result{}, endedFault(s)
	case unwell >= deadline && !s.Facts.Probe.OK:
		return reconcile.Result{}, h.missed(s, deadline)
	}
	return reconcile.Result{RequeueAfter: patience(s, unwell, time.Duration(s.health().Interval))}, nil
}

// patience is short just after a start, so that a quick program is not kept waiting.
func patience(s *Scope, unwell, interval time.Duration) time.Duration {
	const quick = 25 * time.Millisecond
	if s.Facts.Probe.OK {
		return interval
	}
	return max(quick, min(interval, unwell/4))
}

func (h stepHealth) missed(s *Scope, deadline time.Duration) error {
	return &providers.Fault{
		Reason: "HealthDeadlineExceeded", Own: true,
		Message: fmt.Sprintf("%s was not well for %s: %s; look at `deployerctl logs %s`, and push a fix or roll back",
			s.Target.Instance.Revision, deadline, h.Why(s), s.Name),
	}
}

func (stepHealth) Assume(s *Scope) {
	u := s.primary()
	u.Active = "active"
	s.Facts.Units.Primary = u
	s.Facts.Probe, s.Facts.ProbeErr = providers.ProbeResult{OK: true}, nil
	s.memory.good = s.health().Rise
}

// probed reports whether the instance answers questions at all; a worker without a
// probe, and one that tells systemd itself, is well when it runs.
func (s *Scope) probed() bool { return asksProbe(s.Target.Release.HealthType) }

func asksProbe(t v1.HealthType) bool {
	return t == v1.HealthHTTP || t == v1.HealthTCP || t == v1.HealthExec
}

// health are the probe's settings; they apply in place, without a new release.
func (s *Scope) health() v1.Health {
	if h := s.Assignment.Service.Health; h != nil {
		return *h
	}
	return *v1.Service{Name: s.Name}.Default().Health
}

// coming reports whether the instance is on its way up after a start of ours.
func (s *Scope) coming() bool {
	return s.memory.neverWell(s.instance()) &&
		s.memory.unwellFor(s.instance(), s.Now) < time.Duration(s.health().Deadline)
}
