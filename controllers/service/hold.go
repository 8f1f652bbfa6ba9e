package service

import (
	"time"

	v1 "deployer/api/v1"
)

// A hold takes effect at a resting point: a rollout in which the new release has soaked is
// finished; one that still overlaps goes back to the last good one; and a release that is
// already in the one slot is judged first, for there is nothing to go back to in between.

// chooseHold finds the hold in force: of the manifest, or of this host. Holds lapse by
// themselves.
func (r *Reconciler) chooseHold(s *Scope) {
	for _, h := range [...]*v1.Hold{s.Assignment.Service.Hold, r.heldHere(s.Name)} {
		if s.Hold == nil && h.InForce(s.Now) {
			s.Hold = h
		}
	}
}

// held reports whether nothing may be changed.
func (s *Scope) held() bool { return s.Hold != nil && s.resting() }

// resting reports whether no rollout is under way.
func (s *Scope) resting() bool {
	if s.Assignment.Kind != v1.Assigned {
		return true
	}
	_, standby := s.Facts.Releases.Pointers[v1.Standby]
	if standby || s.Facts.Standby.Unit.Ours {
		return false
	}
	pointed := s.Facts.Releases.Pointers[v1.Primary]
	return pointed == "" || s.verdict(pointed) != ""
}

// turnBack takes a held rollout back to the last good release, as long as the new one has
// not soaked.
func (s *Scope) turnBack() {
	if s.Hold == nil || s.resting() || s.Target == nil || !s.Target.Wanted || s.soaked(s.instance()) {
		return
	}
	if s.Good != nil && s.Facts.Releases.Pointers[v1.Primary] != s.instance() {
		s.Target = s.Good
	}
}

// lapse is when to look again because a hold ends; 0 for never.
func (s *Scope) lapse() time.Duration {
	if s.Hold == nil || s.Hold.Until == nil || s.Hold.Forever {
		return 0
	}
	return max(s.Hold.Until.Sub(s.Now), time.Millisecond)
}
