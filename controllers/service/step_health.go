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
// An instance that misses its deadline is the release's own fault; judging it bad and
// going back by itself will start from that error.
type stepHealth struct{}

func (stepHealth) Name() string      { return "health" }
func (stepHealth) Condition() string { return "Healthy" }

// Done asks for the whole series of probes only of an instance that has not soaked yet.
func (stepHealth) Done(s *Scope) bool {
	u := s.primary()
	if !u.Running() {
		return false
	}
	if !s.probed() {
		return true
	}
	if s.soaked(s.Target.Instance.String()) {
		return s.Facts.Probe.OK
	}
	return s.memory.good >= s.health().Rise
}

func (stepHealth) Why(s *Scope) string {
	switch u := s.primary(); {
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
	if s.Facts.ProbeErr != nil {
		return reconcile.Result{}, s.Facts.ProbeErr
	}
	health := s.health()
	began := s.memory.startedAt(s.Target.Instance.String(), s.primary().Since)
	deadline := time.Duration(health.Deadline)
	if !s.Facts.Probe.OK && !began.IsZero() && s.Now.Sub(began) >= deadline {
		return reconcile.Result{}, h.missed(s, deadline)
	}
	return reconcile.Result{RequeueAfter: patience(s, began, time.Duration(health.Interval))}, nil
}

// patience is short just after a start, so that a quick program is not kept waiting.
func patience(s *Scope, began time.Time, interval time.Duration) time.Duration {
	const quick = 25 * time.Millisecond
	if s.Facts.Probe.OK {
		return interval
	}
	return max(quick, min(interval, s.Now.Sub(began)/4))
}

func (h stepHealth) missed(s *Scope, deadline time.Duration) error {
	reason := "HealthDeadlineExceeded"
	if s.Facts.Probe.Reason == "PortTaken" {
		reason = "PortTaken"
	}
	return &providers.Fault{
		Reason: reason, Own: true,
		Message: fmt.Sprintf("%s did not become well within %s: %s; look at `deployerctl logs %s`, and push a fix or roll back",
			s.Target.Instance.Revision, deadline, h.Why(s), s.Name),
	}
}

func (stepHealth) Assume(s *Scope) {
	u := s.primary()
	u.Active = "active"
	s.Facts.Units[v1.Primary] = u
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
