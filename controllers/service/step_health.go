package service

import (
	"context"
	"fmt"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// stepHealth waits until the started instance is well: enough good probes in a row. That
// it waits in vain is found by condemnation, not here.
type stepHealth struct{ slot v1.Slot }

func (stepHealth) Name() string        { return "health" }
func (h stepHealth) of() v1.Slot       { return h.slot }
func (h stepHealth) Condition() string { return conditionIn(h.slot, "Healthy") }

// Done asks for the whole series of probes only of an instance that has not soaked yet.
// One that has soaked is waited for after a start of ours; answering badly later, it
// keeps its traffic and its place, and status says that it is degraded.
func (h stepHealth) Done(s *Scope) bool {
	if !s.unit(h.slot).Running() {
		return false
	}
	if !s.probed() {
		return true
	}
	if s.soaked(s.instance()) {
		return s.Facts.of(h.slot).Probe.OK || h.slot == v1.Primary && !s.coming(h.slot)
	}
	return s.mind(h.slot).good >= s.health().Rise
}

func (h stepHealth) lenient(s *Scope) (v1.ConditionStatus, error) {
	f := s.Facts.of(h.slot)
	switch {
	case !s.probed() || f.Probe.OK:
		return v1.True, nil
	case f.ProbeErr != nil:
		return v1.Unknown, f.ProbeErr
	}
	return v1.False, &providers.Fault{Reason: f.Probe.Reason, Message: h.Why(s)}
}

func (h stepHealth) Why(s *Scope) string {
	f, mind := s.Facts.of(h.slot), s.mind(h.slot)
	switch u := &f.Unit; {
	case !u.Running() && f.Probe.Reason == portTaken:
		return f.Probe.Answer
	case u.Active == "activating" && u.Sub == "start":
		return "it has not told systemd that it is ready"
	case !u.Running() && mind.started(s.instance()):
		return fmt.Sprintf("its unit is %s after %s", u.Active, exitOf(u))
	case !u.Running():
		return "its unit is " + u.Active
	case f.ProbeErr != nil:
		return f.ProbeErr.Error()
	case f.Probe.OK:
		return fmt.Sprintf("%d of %d good probes so far", mind.good, s.health().Rise)
	case f.Probe.Answer != "":
		return probed(f.Probe)
	}
	return "it has not been asked yet"
}

// probed is a probe and its answer in words; a health command has no URL.
func probed(p providers.ProbeResult) string {
	if p.URL == "" {
		return "its health check answers: " + p.Answer
	}
	return p.URL + " answers: " + p.Answer
}

// Run only waits: the probe is an observation, and was made with the others.
func (h stepHealth) Run(_ context.Context, s *Scope) (reconcile.Result, error) {
	f := s.Facts.of(h.slot)
	unwell := s.mind(h.slot).unwellFor(s.instance(), s.Now)
	deadline := time.Duration(s.health().Deadline)
	switch {
	case f.ProbeErr != nil:
		return reconcile.Result{}, f.ProbeErr
	case s.soaked(s.instance()) && unwell >= deadline && h.slot == v1.Standby:
		return reconcile.Result{}, h.notAgain(s, deadline)
	case s.soaked(s.instance()) && unwell >= deadline:
		return reconcile.Result{RequeueAfter: unwellRecheck}, nil
	case !s.soaked(s.instance()) && f.Probe.Reason == portTaken:
		return reconcile.Result{}, takenFault(s)
	}
	return reconcile.Result{RequeueAfter: patience(f.Probe.OK, unwell, time.Duration(s.health().Interval))}, nil
}

// notAgain is for a good release that people go back to and that is not well any more.
// It is not judged once more; what serves goes on.
func (h stepHealth) notAgain(s *Scope, deadline time.Duration) error {
	return &providers.Fault{
		Reason: "NotWellAgain",
		Message: fmt.Sprintf("%s was good before and has not been well for %s now: %s; what serves goes on; look at `deployerctl logs %s`",
			s.Target.Instance.Revision, deadline, h.Why(s), s.Name),
	}
}

// patience is short just after a start, so that a quick program is not kept waiting.
func patience(ok bool, unwell, interval time.Duration) time.Duration {
	const quick = 25 * time.Millisecond
	if ok {
		return interval
	}
	return max(quick, min(interval, unwell/4))
}

func (h stepHealth) Assume(s *Scope) {
	f := s.Facts.of(h.slot)
	f.Unit.Active = "active"
	f.Probe, f.ProbeErr = providers.ProbeResult{OK: true}, nil
	s.mind(h.slot).good = s.health().Rise
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
func (s *Scope) coming(slot v1.Slot) bool {
	mind := s.mind(slot)
	return mind.neverWell(s.instance()) && mind.unwellFor(s.instance(), s.Now) < time.Duration(s.health().Deadline)
}
