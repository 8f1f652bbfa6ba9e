package service

import (
	"context"
	"fmt"
	"time"

	v1 "deployer/api/v1"
	"deployer/reconcile"
)

// How long what a slot still does may take after its traffic has moved.
const (
	// settling is how long after the shift a request may still arrive: Caddy reads the
	// upstream file for each request, and one that has just read it is on its way.
	settling = 300 * time.Millisecond
	// longDrain is for what nobody waits for, such as websockets on a standby.
	longDrain = time.Hour
)

// stepDrain waits until the connections to a slot that lost its traffic are closed. The
// primary gets deploy.drain, for a good release waits for it; so does what a newer release
// wants to push out of the standby, and a bad release. An old standby that is in nobody's
// way gets an hour.
type stepDrain struct{ slot v1.Slot }

func (stepDrain) Name() string        { return "drain" }
func (d stepDrain) of() v1.Slot       { return d.slot }
func (d stepDrain) Condition() string { return conditionIn(d.slot, "Drained") }

func (d stepDrain) Done(s *Scope) bool {
	if !s.unit(d.slot).Running() || s.port(d.slot) == 0 || s.live() == d.slot || d.isTarget(s) {
		return true
	}
	since := s.Now.Sub(s.memory.liveSince)
	return since >= d.limit(s) || since >= settling && s.Facts.of(d.slot).Open == 0
}

// isTarget: what comes up in the standby is not on its way out; what stands in the
// primary's way is, also when it is the target's own release.
func (d stepDrain) isTarget(s *Scope) bool {
	return d.slot == v1.Standby && s.runs(d.slot, s.instance()) && s.live() != v1.Primary
}

func (d stepDrain) limit(s *Scope) time.Duration {
	if d.slot == v1.Standby && s.fit(v1.Primary) && !s.bad(s.unit(d.slot).Instance) {
		return longDrain
	}
	return time.Duration(s.Assignment.Service.Deploy.Drain)
}

func (d stepDrain) Why(s *Scope) string {
	if n := s.Facts.of(d.slot).Open; n > 0 {
		return fmt.Sprintf("%d connections to the %s slot are open", n, d.slot)
	}
	return fmt.Sprintf("a request to the %s slot may be on its way", d.slot)
}

// Run only waits: the connections are an observation.
func (d stepDrain) Run(_ context.Context, s *Scope) (reconcile.Result, error) {
	const often, seldom = 25 * time.Millisecond, 2 * time.Second
	since := s.Now.Sub(s.memory.liveSince)
	return reconcile.Result{RequeueAfter: max(often, min(since/20, seldom))}, nil
}

func (d stepDrain) Assume(s *Scope) {
	s.Facts.of(d.slot).Open = 0
	s.memory.liveSince = s.Now.Add(-longDrain)
}
