package service

import (
	"context"

	v1 "deployer/api/v1"
	"deployer/reconcile"
)

// Step reconciles one resource kind of a service. Steps are stateless: all they know is
// in the Scope, and which slot they are for.
type Step interface {
	// Name is the word that plans, events and metrics use.
	Name() string
	// Condition is the type of the condition in status that tells of it.
	Condition() string
	// Done reports whether the host already shows the step's effect. Pure: it reads the
	// Scope only, and believes observed facts over remembered ones.
	Done(s *Scope) bool
	// Why says, in a clause, what is not done. Called only when Done is false.
	Why(s *Scope) string
	// Run brings the effect about. Safe to run again after a crash at any point.
	// A Result with RequeueAfter means "not yet, and not an error".
	Run(ctx context.Context, s *Scope) (reconcile.Result, error)
	// Assume changes the facts as Run would, so that a plan can be told without acting.
	Assume(s *Scope)
}

// lenient is a step that may let the plan go on although its effect is not there, or not
// known to be: then it says what status has to say.
type lenient interface {
	lenient(s *Scope) (v1.ConditionStatus, error)
}

// slotted is a step for one slot.
type slotted interface {
	of() v1.Slot
}

// preparation brings everything onto the host, and changes nothing that runs.
func preparation() []Step {
	return []Step{stepRoot{}, stepPull{}, stepStage{}, stepRoute{}}
}

// replacePlan brings a prepared release into the one slot of a service. A standby can
// only be left from when the service overlapped.
func replacePlan() []Step {
	return []Step{
		stepInstall{v1.Primary},
		stepStart{v1.Primary},
		stepHealth{v1.Primary},
		stepShift{v1.Primary},
		stepSoak{v1.Primary},
		stepDrain{v1.Standby},
		stepRetire{v1.Standby},
		stepPrune{},
	}
}

// keepPlan keeps the last good release up while the next one is prepared. Where releases
// overlap, the rules look after the traffic.
func keepPlan(s *Scope) []Step {
	if s.overlaps() {
		return []Step{stepRoot{}, stepPull{}, stepInstall{v1.Primary}, stepStart{v1.Primary}}
	}
	return []Step{stepRoot{}, stepPull{}, stepInstall{v1.Primary}, stepStart{v1.Primary}, stepShift{v1.Primary}}
}

// removalPlan takes a service down. Deletion comes last.
func removalPlan() []Step {
	return []Step{stepUnroute{}, stepStop{}, stepUninstall{}, stepUnroot{}, stepForget{}}
}

// Next chooses the one thing to do, or nil when nothing is left. It is a pure function
// of the Scope; the plans that people see and the goldens are its trace. The Scope that
// it returns is the one to run the step with: its target is what the step is about.
//
// What cannot wait comes first: a verdict, because it changes the target; then requests
// that go to a slot that does not answer; then the last good release; and only then the
// way to the target.
func Next(s *Scope) (Step, *Scope) {
	switch {
	case s.held(), s.Assignment.Kind == v1.Absent:
		return nil, s
	case s.Assignment.Kind == v1.Dismissed:
		if s.exists() {
			return first(removalPlan(), s)
		}
		return nil, s
	case s.Target == nil:
		return first(abandonPlan(s))
	}
	if fault, slot := s.condemnation(); fault != nil {
		return stepCondemn{slot: slot, fault: fault}, s
	}
	if s.misled() {
		return stepShift{s.saviour()}, s
	}
	preparing, _ := first(preparation(), s)
	if s.caresForKeep(preparing != nil) {
		kept := s.about(s.Keep)
		if keep, _ := first(keepPlan(s), kept); keep != nil {
			return keep, kept
		}
	}
	if preparing != nil {
		return preparing, s
	}
	return first(way(s))
}

// way is how the prepared target comes to serve.
func way(s *Scope) ([]Step, *Scope) {
	if s.overlaps() {
		return overlapPlan(s)
	}
	return replacePlan(), s
}

// first gives the first step of the plan that is not done.
func first(plan []Step, s *Scope) (Step, *Scope) {
	for _, step := range plan {
		if !step.Done(s) {
			return step, s
		}
	}
	return nil, s
}

// caresForKeep: the last good release is looked after until the next one takes its place.
func (s *Scope) caresForKeep(preparing bool) bool {
	if s.Keep == nil || s.memory.keepErr != nil {
		return false
	}
	if s.overlaps() {
		return preparing || !(s.fit(v1.Standby) && s.soaked(s.instance()))
	}
	return preparing
}

// abandonPlan is for a bad release without a good one to go back to: it is stopped, its
// directory stays for a look, and nobody else may come to its port by accident.
func abandonPlan(s *Scope) ([]Step, *Scope) {
	if s.Condemned == nil {
		return nil, s
	}
	staged, ok := s.Facts.Releases.Staged[s.Condemned.Instance]
	if !ok {
		return nil, s
	}
	plan := append(make([]Step, 0, 4), stepRoute{})
	if s.live() == v1.Standby {
		plan = append(plan, stepShift{v1.Primary})
	}
	return append(plan, stepRetire{v1.Standby}, stepRetire{v1.Primary}), s.about(targetOf(s.Name, staged))
}
