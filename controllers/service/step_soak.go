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

func (stepSoak) Done(s *Scope) bool { return s.soaked(s.instance()) }

func (stepSoak) Why(s *Scope) string {
	return "it has not been well for " + s.soak().String() + " yet"
}

// Run says that an instance ended during its soak, and lets it try again all the same.
func (stepSoak) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	if left := s.soak() - s.wellFor(); left > 0 {
		if s.ended() {
			return reconcile.Result{}, endedFault(s)
		}
		interval := time.Duration(s.health().Interval)
		return reconcile.Result{RequeueAfter: min(left, max(interval, left/20))}, nil
	}
	return reconcile.Result{}, s.host.Releases.Judge(ctx, s.Name, v1.Verdict{
		Instance: s.instance(), Result: v1.VerdictSoaked, At: s.Now, Reason: "Soaked",
	})
}

func (stepSoak) Assume(s *Scope) {
	name := s.instance()
	r := s.Facts.Releases.Staged[name]
	r.Verdict = &v1.Verdict{Instance: name, Result: v1.VerdictSoaked, At: s.Now}
	s.Facts.Releases.Staged[name] = r
}

// soak is how long the instance must stay well; it applies in place.
func (s *Scope) soak() time.Duration { return time.Duration(s.Assignment.Service.Deploy.Soak) }

// wellFor is how long the present process has been seen well by this daemon. The unit's
// own times are of the wall clock, which may jump.
func (s *Scope) wellFor() time.Duration {
	if s.memory.wellSince.IsZero() {
		return 0
	}
	return s.Now.Sub(s.memory.wellSince)
}
