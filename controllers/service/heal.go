package service

import (
	"context"
	"fmt"
	"slices"
	"time"

	v1 "deployer/api/v1"
)

// What somebody else changes is put right, counted and told. From the third time in ten
// minutes on somebody else seems to manage the same thing. How soon the next pass looks is
// not decided here: package watch keeps two managers from fighting at full speed.
const (
	healedFor       = 10 * time.Minute
	healedOften     = 3
	keptHealings    = 20
	somebodyManages = "somebody else manages this"
)

// settled is what was as wanted at the end of a pass.
type settled struct {
	instance   string
	generation int64
}

// healing is one thing that was put right.
type healing struct {
	at   time.Time
	what string
}

// heals reports whether the step puts something right that was as wanted before.
func (s *Scope) heals(step Step) bool {
	was := s.memory.settled
	if s.Target == nil || was.instance == "" || was.instance != s.instance() || was.generation != s.Assignment.Generation {
		return false
	}
	switch step.(type) {
	case stepRoot, stepPull, stepStage, stepRoute, stepInstall, stepStart, stepShift:
		return true
	}
	return false
}

// recentHealings are those of the last ten minutes.
func (s *Scope) recentHealings() []healing {
	return slices.DeleteFunc(slices.Clone(s.memory.healed), func(h healing) bool { return s.Now.Sub(h.at) >= healedFor })
}

// noteHealed counts what was put right in one pass once, with whatever followed from it.
func (r *Reconciler) noteHealed(ctx context.Context, s *Scope, step Step, about *Scope) {
	if !s.heals(step) {
		return
	}
	what := step.Name() + ": " + step.Why(about)
	recent := s.recentHealings()
	if !s.memory.healing {
		recent = append(recent, healing{at: s.Now, what: what})
	}
	s.memory.healing = true
	s.memory.healed = recent[max(0, len(recent)-keptHealings):]
	r.tell(ctx, s, v1.Event{Step: step.Name(), Type: v1.EventNormal, Reason: "Healed", Message: what + s.healedNote()})
}

// healedNote is for a thing that is put right again and again.
func (s *Scope) healedNote() string {
	if n := len(s.recentHealings()); n >= healedOften {
		return fmt.Sprintf(" (healed %d times in 10 min: %s)", n, somebodyManages)
	}
	return ""
}

// healedOf is what status shows of it.
func healedOf(s *Scope) *v1.Healed {
	recent := s.recentHealings()
	if len(recent) == 0 {
		return nil
	}
	last := recent[len(recent)-1]
	return &v1.Healed{Count: len(recent), Last: last.at.UTC(), What: last.what}
}
