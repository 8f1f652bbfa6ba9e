package service

import v1 "deployer/api/v1"

// Planned is one line of a plan.
type Planned struct {
	Step string `json:"step"`
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
		p := Planned{Step: step.Name(), Why: step.Why(about)}
		if about.Target != nil {
			p.Instance = about.instance()
		}
		out = append(out, p)
		step.Assume(about)
		s.Facts = about.Facts
	}
	return out
}
