package service

import (
	"context"
	"slices"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// digest is all of a summary that can change, in a form that compares fast: a pass that
// changed nothing must cost nothing.
type digest struct {
	state          v1.State
	sync           v1.Sync
	health         v1.HealthState
	reason         string
	message        string
	generation     int64
	instance       string
	primary        slotDigest
	standby        slotDigest
	upstream       string
	domain, path   string
	staged, soaked int
	healed         int
	strategy       string
	hold           v1.Hold
}

type slotDigest struct {
	active, sub, instance string
	pid, restarts         int
}

func digestOf(s *Scope, j judgement) digest {
	d := digest{
		state: j.state, sync: j.sync, health: j.health, reason: j.reason, message: j.message,
		generation: s.Assignment.Generation, instance: s.instance(),
		primary: slotDigestOf(s.unit(v1.Primary)), standby: slotDigestOf(s.unit(v1.Standby)),
		upstream: s.Facts.Releases.Upstream, staged: len(s.Facts.Releases.Staged),
		healed: len(s.memory.healed), strategy: s.strategy(),
	}
	if s.Hold != nil {
		d.hold = *s.Hold
		d.hold.Until = nil // a pointer; whoever changes it changes the rest, too, or the generation
	}
	if h := s.Assignment.Service.HTTP; h != nil {
		d.domain, d.path = h.Domain, h.Path
	}
	for name := range s.Facts.Releases.Staged {
		if s.soaked(name) {
			d.soaked++
		}
	}
	return d
}

func slotDigestOf(u *providers.UnitFacts) slotDigest {
	return slotDigest{active: u.Active, sub: u.Sub, instance: u.Instance, pid: u.MainPID, restarts: u.Restarts}
}

// describe writes the state out in full.
func (r *Reconciler) describe(ctx context.Context, s *Scope, j judgement, err error) v1.ServiceState {
	now, before := r.now().UTC(), s.memory.seen()
	st := v1.ServiceState{
		Name: s.Name, State: j.state, Sync: j.sync, Health: j.health, Reason: j.reason, Message: j.message,
		ObservedGeneration: s.Assignment.Generation, Upstream: s.Facts.Releases.Upstream,
		Desired: desiredOf(s), Serving: servingOf(s), Slots: slotsOf(s), Verdicts: verdictsOf(s),
		Conditions: conditionsOf(s, before.Conditions, j, now), Since: before.Since,
		Evidence: evidenceOf(ctx, s, err), Hold: s.Hold, Healed: healedOf(s),
		Strategy: s.strategy(), StrategyReason: s.Assignment.StrategyReason,
	}
	if h := s.Assignment.Service.HTTP; h != nil {
		st.Route = h.Domain + h.Path
	} else if s.Assignment.Kind == v1.Dismissed {
		st.Route = before.Route
	}
	if before.State != st.State || st.Since.IsZero() {
		st.Since = now
	}
	return st
}

func desiredOf(s *Scope) v1.Target {
	if s.Assignment.Revision == "" {
		return v1.Target{}
	}
	t := v1.Target{
		Revision: s.Assignment.Revision, StorePath: s.Assignment.Release.StorePath, Commit: s.Assignment.Service.Commit,
	}
	t.Instance, _ = s.wantedName()
	return t
}

// servingOf is what really runs, by the process's own credential.
func servingOf(s *Scope) v1.Target {
	u := s.unit(s.front())
	if !u.Running() || u.Instance == "" {
		return v1.Target{}
	}
	r := s.Facts.Releases.Staged[u.Instance]
	return v1.Target{
		Revision: r.Instance.Revision, Instance: u.Instance, StorePath: r.Release.StorePath, Commit: r.Commit,
	}
}

func slotsOf(s *Scope) map[v1.Slot]v1.SlotState {
	out := map[v1.Slot]v1.SlotState{}
	for _, slot := range slots() {
		u := s.unit(slot)
		if !u.Found || !u.Ours {
			continue
		}
		out[slot] = v1.SlotState{
			Unit: v1.UnitName(s.Name, slot), Active: u.Active, Sub: u.Sub, Instance: u.Instance,
			MainPID: u.MainPID, Restarts: u.Restarts, Since: u.Since, Memory: u.Memory,
		}
	}
	return out
}

func verdictsOf(s *Scope) []v1.Verdict {
	var out []v1.Verdict
	for _, r := range s.Facts.Releases.Staged {
		if r.Verdict != nil {
			out = append(out, forStatus(*r.Verdict))
		}
	}
	slices.SortFunc(out, func(a, b v1.Verdict) int { return b.At.Compare(a.At) })
	return out
}

// conditionsOf has one condition per step of the plan that is followed, Reconciling and
// Stalled while they are true, and Ready, computed last.
func conditionsOf(s *Scope, before []v1.Condition, j judgement, now time.Time) []v1.Condition {
	var list []v1.Condition
	set := func(kind string, status v1.ConditionStatus, reason, message string) {
		since := now
		if old := v1.FindCondition(before, kind); old != nil && old.Status == status {
			since = old.LastTransitionTime
		}
		list = append(list, v1.Condition{
			Type: kind, Status: status, Reason: reason, Message: message,
			ObservedGeneration: s.Assignment.Generation, LastTransitionTime: since,
		})
	}
	reached := true
	plan, about := planOf(s)
	for _, step := range plan {
		status, reason, message := conditionOf(step, about, reached)
		reached = reached && step.Done(about)
		set(step.Condition(), status, reason, message)
	}
	if j.state == v1.Rolling || j.state == v1.Reverting || j.state == v1.Removing {
		set(v1.Reconciling, v1.True, j.reason, j.message)
	}
	if j.state == v1.Stalled {
		set(v1.StalledCondition, v1.True, j.reason, j.message)
	}
	ready := v1.False
	if j.sync == v1.Synced && j.health == v1.Healthy {
		ready = v1.True
	}
	set(v1.Ready, ready, j.reason, j.message)
	slices.SortFunc(list, func(a, b v1.Condition) int { return strings.Compare(a.Type, b.Type) })
	return list
}

// planOf are the steps that tell of the service, and what they are about.
func planOf(s *Scope) ([]Step, *Scope) {
	switch {
	case s.Assignment.Kind == v1.Dismissed:
		return removalPlan(), s
	case s.Assignment.Kind == v1.Assigned && s.Target != nil:
		steps, about := way(s)
		return append(preparation(), steps...), about
	}
	return nil, s
}

// strategy is how releases of it are changed; empty for what is not to run here.
func (s *Scope) strategy() string {
	switch {
	case s.Assignment.Kind != v1.Assigned:
		return ""
	case s.overlaps():
		return v1.StrategyOverlap
	}
	return v1.StrategyReplace
}

func conditionOf(step Step, s *Scope, reached bool) (status v1.ConditionStatus, reason, message string) {
	switch {
	case !reached:
		return v1.Unknown, "NotReached", ""
	case !step.Done(s):
		return v1.False, intent(step), step.Why(s)
	}
	if l, ok := step.(lenient); ok {
		if status, err := l.lenient(s); err != nil {
			return status, providers.ReasonOf(err), err.Error()
		}
	}
	return v1.True, "Done", ""
}

// evidenceOf is what was seen of a release that failed by its own fault: as the verdict has
// it, or as it is now.
func evidenceOf(ctx context.Context, s *Scope, err error) *v1.Evidence {
	if s.Condemned != nil {
		return forStatus(*s.Condemned).Evidence
	}
	if !isOwn(err) {
		return nil
	}
	return gatherEvidence(ctx, s, v1.Primary, evidenceLines)
}

// forStatus shortens the log of a verdict; `why` has the whole.
func forStatus(v v1.Verdict) v1.Verdict {
	if v.Evidence == nil {
		return v
	}
	e := *v.Evidence
	e.Log = e.Log[max(0, len(e.Log)-evidenceLines):]
	v.Evidence = &e
	return v
}
