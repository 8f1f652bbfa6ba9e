package service

import (
	"context"
	"maps"

	v1 "deployer/api/v1"
)

// Plan observes a service as a pass would, and tells what the pass would do. It changes
// nothing, neither on the host nor in what the passes remember.
func (r *Reconciler) Plan(ctx context.Context, name string) (Plan, error) {
	m := r.memories.load(name)
	s, err := r.observe(ctx, name, m)
	if err != nil {
		return Plan{Service: name}, err
	}
	j := judge(s, s.Blocked)
	p := Plan{Service: name, State: j.state, Blocked: messageOf(s.Blocked)}
	if s.Condemned != nil || s.Deferred != nil {
		p.Blocked = j.message
	}
	if d := desiredOf(s); d != (v1.Target{}) {
		p.Desired = &d
	}
	if d := servingOf(s); d != (v1.Target{}) {
		p.Serving = &d
	}
	p.Strategy, p.StrategyReason = s.strategy(), s.Assignment.StrategyReason
	s.ownFacts()
	p.Steps = Trace(s)
	if last := m.seen(); len(p.Steps) > 0 && last.State == v1.Stalled && last.Desired.Revision == s.Assignment.Revision {
		// What the passes found of this release still holds: the steps are tries.
		p.State, p.Blocked = last.State, last.Message
	}
	return p, nil
}

// ownFacts gives the Scope maps of its own, for Assume writes into them.
func (s *Scope) ownFacts() {
	f := &s.Facts
	f.Releases.Staged = cloned(f.Releases.Staged)
	f.Releases.Pointers = cloned(f.Releases.Pointers)
	f.Roots, f.Closures = cloned(f.Roots), cloned(f.Closures)
}

func cloned[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

func messageOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
