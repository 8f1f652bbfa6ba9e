package service

import (
	"context"
	"time"

	v1 "deployer/api/v1"
	"deployer/reconcile"
)

// stepSoak waits until the instance has been well under traffic for the soak time
// without a restart, and then makes that verdict durable. A restart begins the time anew.
type stepSoak struct{}

func (stepSoak) Name() string      { return "soak" }
func (stepSoak) Condition() string { return "Soaked" }

func (stepSoak) Done(s *Scope) bool { return s.soaked(s.Target.Instance.String()) }

func (stepSoak) Why(s *Scope) string {
	return "it has not been well for " + s.soak().String() + " yet"
}

func (stepSoak) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	if left := s.soak() - s.Now.Sub(s.wellSince()); left > 0 {
		interval := time.Duration(s.health().Interval)
		return reconcile.Result{RequeueAfter: min(left, max(interval, left/20))}, nil
	}
	return reconcile.Result{}, s.host.Releases.Judge(ctx, s.Name, v1.Verdict{
		Instance: s.Target.Instance.String(), Result: v1.VerdictSoaked, At: s.Now, Reason: "Soaked",
	})
}

func (stepSoak) Assume(s *Scope) {
	name := s.Target.Instance.String()
	r := s.Facts.Releases.Staged[name]
	r.Verdict = &v1.Verdict{Instance: name, Result: v1.VerdictSoaked, At: s.Now}
	s.Facts.Releases.Staged[name] = r
}

// soak is how long the instance must stay well; it applies in place.
func (s *Scope) soak() time.Duration { return time.Duration(s.Assignment.Service.Deploy.Soak) }

// wellSince is when the present spell of being well began.
func (s *Scope) wellSince() time.Time {
	since := s.primary().Since
	if s.probed() && s.memory.wellSince.After(since) {
		return s.memory.wellSince
	}
	return since
}
