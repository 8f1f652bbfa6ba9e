package service

import (
	v1 "deployer/api/v1"
	"deployer/providers"
)

// Planned is one line of a plan.
type Planned struct {
	Step string `json:"step"`
	// Slot that it is about; empty for what concerns no slot.
	Slot v1.Slot `json:"slot,omitempty"`
	// Instance that the step is about; empty in a removal.
	Instance string `json:"instance,omitempty"`
	Why      string `json:"why"`
}

// Plan is what the next pass of a service would do, and why it would do that.
type Plan struct {
	Service  string   `json:"service"`
	State    v1.State `json:"state"`
	Strategy string   `json:"strategy,omitempty"`
	// StrategyReason says why, as half a sentence.
	StrategyReason string     `json:"strategyReason,omitempty"`
	Blocked        string     `json:"blocked,omitempty"`
	Steps          []Planned  `json:"steps"`
	Serving        *v1.Target `json:"serving,omitempty"`
	Desired        *v1.Target `json:"desired,omitempty"`
}

// longestPlan bounds a trace; no plan comes near it.
const longestPlan = 64

// Trace tells what Next would choose, one step after the other, if every step succeeded.
// It changes the facts of the Scope, and nothing else.
func Trace(s *Scope) []Planned {
	var out []Planned
	for range longestPlan {
		step, about := Next(s)
		if step == nil {
			return out
		}
		p := Planned{Step: step.Name(), Slot: slotOf(step), Why: step.Why(about)}
		if about.Target != nil {
			p.Instance = about.instance()
		}
		out = append(out, p)
		step.Assume(about)
		s.Facts = about.Facts
		s.chooseAgain()
	}
	return out
}

// chooseAgain finds the target anew, as the next round of a pass would. What the last good
// release needs is taken to be here: it was, when it ran.
func (s *Scope) chooseAgain() {
	if s.Assignment.Kind != v1.Assigned {
		return
	}
	s.Target, s.Keep, s.Good, s.Condemned, s.Blocked = nil, nil, nil, nil, nil
	chooseTarget(s)
	if s.Target == nil || s.Target.Wanted {
		return
	}
	path := s.Target.Release.StorePath
	if _, seen := s.Facts.Closures[path]; !seen {
		s.Facts.Closures[path] = providers.ClosureFacts{Valid: true, OnDisk: true}
		s.Facts.Roots[s.Target.root] = path
	}
}
