package service

import (
	"context"
	"time"

	v1 "deployer/api/v1"
	"deployer/reconcile"
)

// stepSoak waits until the instance has been well under traffic for the soak time
// without a restart, and then makes that verdict durable. A good release that comes back
// is judged again at once, so that the newest verdict is the way back from the next one.
type stepSoak struct{ slot v1.Slot }

func (stepSoak) Name() string      { return "soak" }
func (k stepSoak) of() v1.Slot     { return k.slot }
func (stepSoak) Condition() string { return "Soaked" }

func (stepSoak) Done(s *Scope) bool {
	mine := s.Facts.Releases.Staged[s.instance()].Verdict
	if mine == nil || mine.Result != v1.VerdictSoaked {
		return false
	}
	for name, r := range s.Facts.Releases.Staged {
		if name != s.instance() && s.soaked(name) && !r.Verdict.At.Before(mine.At) {
			return false
		}
	}
	return true
}

func (stepSoak) Why(s *Scope) string {
	if s.soaked(s.instance()) {
		return "it is good, and the last good one from now on"
	}
	return "it has not been well for " + s.soak().String() + " yet"
}

func (k stepSoak) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	if left := s.soak() - s.soakedFor(k.slot); left > 0 && !s.soaked(s.instance()) {
		interval := time.Duration(s.health().Interval)
		return reconcile.Result{RequeueAfter: min(left, max(interval, left/20))}, nil
	}
	return reconcile.Result{}, s.host.Releases.Judge(ctx, s.Name, k.verdict(s))
}

// verdict is later than every other one, whatever the clock says.
func (stepSoak) verdict(s *Scope) v1.Verdict {
	at := s.Now
	for _, r := range s.Facts.Releases.Staged {
		if r.Verdict != nil && r.Verdict.Result == v1.VerdictSoaked && !at.After(r.Verdict.At) {
			at = r.Verdict.At.Add(time.Microsecond)
		}
	}
	return v1.Verdict{Instance: s.instance(), Result: v1.VerdictSoaked, At: at, Reason: "Soaked"}
}

func (k stepSoak) Assume(s *Scope) {
	v := k.verdict(s)
	r := s.Facts.Releases.Staged[v.Instance]
	r.Verdict = &v
	s.Facts.Releases.Staged[v.Instance] = r
	s.memory.liveSince = s.Now.Add(-max(s.soak(), settling))
}

// soak is how long the instance must stay well; it applies in place.
func (s *Scope) soak() time.Duration { return time.Duration(s.Assignment.Service.Deploy.Soak) }

// soakedFor is how long the present process of the slot has been seen well by this daemon,
// with the requests going to it if it takes any. The unit's own times are of the wall
// clock, which may jump.
func (s *Scope) soakedFor(slot v1.Slot) time.Duration {
	since := s.mind(slot).wellSince
	if since.IsZero() || s.Target.port() != 0 && s.live() != slot {
		return 0
	}
	if s.Target.port() != 0 && s.memory.liveSince.After(since) {
		since = s.memory.liveSince
	}
	return s.Now.Sub(since)
}
