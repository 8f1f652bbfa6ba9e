package service

import (
	"context"

	v1 "deployer/api/v1"
	"deployer/reconcile"
)

// Step reconciles one resource kind of a service. Steps are stateless: all they know is
// in the Scope.
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

// replacePlan brings a release into the one slot of a service.
func replacePlan() []Step {
	return []Step{
		stepRoot{},
		stepPull{},
		stepStage{},
		stepRoute{},
		stepInstall{},
		stepStart{},
		stepHealth{},
		stepShift{},
		stepSoak{},
		stepPrune{},
	}
}

// keepPlan keeps the last good release up while the next one is prepared.
func keepPlan() []Step {
	return []Step{stepRoot{}, stepPull{}, stepInstall{}, stepStart{}}
}

// removalPlan takes a service down. Deletion comes last.
func removalPlan() []Step {
	return []Step{stepUnroute{}, stepStop{}, stepUninstall{}, stepUnroot{}, stepForget{}}
}

// prepared is how much of the replacePlan changes nothing that runs.
const prepared = 4

// Next chooses the one thing to do, or nil when nothing is left. It is a pure function
// of the Scope; the plans that people see and the goldens are its trace. The Scope that
// it returns is the one to run the step with: its target is what the step is about.
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
		return nil, s
	case s.Keep != nil && s.memory.keepErr == nil:
		if step, _ := first(replacePlan()[:prepared], s); step != nil {
			kept := *s
			kept.Target = s.Keep
			if keep, _ := first(keepPlan(), &kept); keep != nil {
				return keep, &kept
			}
		}
	}
	return first(replacePlan(), s)
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

// held reports whether somebody paused the service; a hold lapses by itself.
func (s *Scope) held() bool {
	h := s.Assignment.Service.Hold
	return h != nil && (h.Forever || h.Until != nil && s.Now.Before(*h.Until))
}
