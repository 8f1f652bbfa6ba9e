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
		return s.Facts.of(h.slot).Probe.OK || !h.replaces(s) && !s.coming(h.slot)
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
		return fmt.Sprintf("its unit is %s after %s", u.Active, exitOf(lastExitOf(u)))
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
func (h stepHealth) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	f := s.Facts.of(h.slot)
	unwell := s.mind(h.slot).unwellFor(s.instance(), s.Now)
	deadline := time.Duration(s.health().Deadline)
	switch {
	case f.ProbeErr != nil:
		return reconcile.Result{}, f.ProbeErr
	case s.soaked(s.instance()) && unwell >= deadline && h.replaces(s):
		return reconcile.Result{}, h.again(ctx, s, deadline)
	case s.soaked(s.instance()) && unwell >= deadline:
		return reconcile.Result{RequeueAfter: unwellRecheck}, nil
	case !s.soaked(s.instance()) && f.Probe.Reason == portTaken:
		return reconcile.Result{}, takenFault(s)
	}
	return reconcile.Result{RequeueAfter: patience(f.Probe, unwell, time.Duration(s.health().Interval))}, nil
}

// replaces reports whether requests go to the other slot until this one is well: then
// there is time, and no reason to make do with less.
func (h stepHealth) replaces(s *Scope) bool { return s.live() == otherSlot(h.slot) }

// again starts a good release once more that does not get well where it is to be. It is
// not judged, what serves goes on, and the error makes the next try come later and later.
func (h stepHealth) again(ctx context.Context, s *Scope, deadline time.Duration) error {
	why := h.Why(s)
	err := s.host.Units.Start(ctx, s.Name, h.slot)
	if err == nil {
		s.mind(h.slot).noteStart(s.instance(), s.Now)
	}
	return together(&providers.Fault{
		Reason: "NotWellAgain",
		Message: fmt.Sprintf("%s was good before and has not been well in the %s slot for %s: %s; the other slot serves; look at `deployerctl logs %s`",
			s.Target.Instance.Revision, h.slot, deadline, why, s.Name),
	}, err)
}

// patience is short just after a start, so that a quick program is not kept waiting.
func patience(last providers.ProbeResult, unwell, interval time.Duration) time.Duration {
	const quick = 25 * time.Millisecond
	if last.OK {
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
