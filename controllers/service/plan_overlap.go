package service

import v1 "deployer/api/v1"

// Where releases overlap, a release moves like this (T is the target, K the last good
// one, * has the requests):
//
//	primary  standby
//	  K*        -       5  T is installed and started in the standby, and judged there
//	  K*        T       4  it is well: requests go to it
//	  K         T*      4  it soaks; then the primary is drained, and becomes T
//	  T         T*      3  requests go back
//	  T*        T       3  the standby is drained and retired
//	  T*        -       3  done
//
// and back, when T is judged bad, because then K is the target:
//
//	  K         T*      2  requests go to the primary, for nobody trusts T any more
//	  K*        T       3  the standby is drained and retired
//
// Not a list of guards, each for itself, but one choice; the first rule that fits wins.
// Its model (model_test.go) ends from every state, with deaths, new targets and lost
// memory on the way, and never stops a slot that serves.
//
// A service that has no good release yet has nothing to lose and begins in its primary
// slot: so the one that has requests first need not move them again.

// misled is rules 1 and 2: the upstream file names neither slot, or one that is not well,
// and there is one that is.
func (s *Scope) misled() bool {
	if !s.overlaps() {
		return false
	}
	live := s.live()
	return (live == "" || !s.well(live)) && s.saviour() != ""
}

// saviour is the slot that requests should go to when theirs is not well: the primary, if
// it can be; empty for none.
func (s *Scope) saviour() v1.Slot {
	for _, slot := range slots() {
		if s.well(slot) {
			return slot
		}
	}
	return ""
}

// overlapPlan is rules 3 to 6; Next has seen to 1 and 2 already.
func overlapPlan(s *Scope) ([]Step, *Scope) {
	switch {
	case s.fit(v1.Primary), !s.serves() && s.mayBeginInPrimary(): // 3
		return replacePlan(), s
	case s.fit(v1.Standby): // 4
		return takeoverPlan(), s
	case s.live() == v1.Standby && !s.runs(v1.Standby, s.instance()): // 6
		return wayBack(s)
	}
	return besidePlan(), s // 5
}

// mayBeginInPrimary: a good release may, and any when there is no good one to lose. A
// port that somebody else holds (a service under its old name) has to become free first.
func (s *Scope) mayBeginInPrimary() bool {
	return s.soaked(s.instance()) || s.Good == nil && s.Facts.Holder == ""
}

// besidePlan brings the target up beside what serves. What the standby ran before may
// finish its requests.
func besidePlan() []Step {
	return []Step{
		stepDrain{v1.Standby},
		stepInstall{v1.Standby},
		stepStart{v1.Standby},
		stepHealth{v1.Standby},
	}
}

// takeoverPlan gives the target the requests, and then, when it has soaked, the primary
// slot: only from then on a start of the primary, also one at boot, runs it.
func takeoverPlan() []Step {
	return []Step{
		stepInstall{v1.Standby},
		stepShift{v1.Standby},
		stepSoak{v1.Standby},
		stepDrain{v1.Primary},
		stepInstall{v1.Primary},
		stepStart{v1.Primary},
		stepHealth{v1.Primary},
	}
}

// wayBack frees a standby that has the requests and runs something else than the target:
// they go to the primary, which first has to be brought up with the target, if that is
// good, else with the last good one.
func wayBack(s *Scope) ([]Step, *Scope) {
	if s.well(v1.Primary) {
		return []Step{stepShift{v1.Primary}}, s
	}
	about := s
	if s.Good != nil && !s.soaked(s.instance()) {
		about = s.about(s.Good)
	}
	return []Step{stepInstall{v1.Primary}, stepStart{v1.Primary}, stepHealth{v1.Primary}}, about
}
