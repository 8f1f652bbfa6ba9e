package service

import (
	"context"
	"slices"
	"strings"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// summarise works out the service's state once, at the end of a pass, and reports it when
// anything in it changed.
func (r *Reconciler) summarise(ctx context.Context, s *Scope, err error) {
	m := s.memory
	if s.unobserved {
		r.reportUnobserved(ctx, s, err)
		return
	}
	if !s.exists() && s.Assignment.Kind != v1.Assigned && err == nil {
		if m.reported() {
			r.tell(ctx, s, v1.Event{Type: v1.EventNormal, Reason: "Removed", Message: "nothing of " + s.Name + " is left on this host"})
			r.gone(s.Name)
		}
		*m = memory{}
		return
	}
	r.record(ctx, s)
	j := judge(s, err)
	if err != nil {
		r.tell(ctx, s, v1.Event{Type: v1.EventWarning, Reason: j.reason, Message: j.message})
	}
	if d := digestOf(s, j); !m.shows(d) {
		before := m.seen()
		m.shown = &report{digest: d, seen: r.describe(ctx, s, j, err)}
		r.tellTransition(ctx, s, before, j)
		r.report(s.Name, m.shown.seen)
	}
	if err == nil && j.done {
		clear(m.told)
	}
	if err == nil && j.step == nil {
		m.settled = settled{s.instance(), s.Assignment.Generation}
	}
}

// announce tells of a target that is new before the first step towards it, for a pull may
// take minutes. All else is told at the end of the pass.
func (r *Reconciler) announce(ctx context.Context, s *Scope) {
	if s.Target != nil && s.Target.Wanted && s.memory.seen().Desired.Instance != s.instance() {
		r.summarise(ctx, s, nil)
	}
}

// tellTransition tells of a new state, and of a settled service that fell ill or got well.
func (r *Reconciler) tellTransition(ctx context.Context, s *Scope, before v1.ServiceState, j judgement) {
	kind := v1.EventNormal
	if j.state == v1.Stalled || isIll(j.health) {
		kind = v1.EventWarning
	}
	switch {
	case before.State != j.state:
		r.tell(ctx, s, v1.Event{Type: kind, Reason: string(j.state), Message: j.message})
	case isIll(before.Health) != isIll(j.health):
		r.tell(ctx, s, v1.Event{Type: kind, Reason: string(j.health), Message: j.message})
	}
}

func isIll(h v1.HealthState) bool { return h == v1.Degraded || h == v1.Failed }

// reportUnobserved tells of a pass that could not see the host: the facts of the last
// one stay, and are called unknown. Of a name that is not to run here, and of which
// nothing was ever seen, there is nothing to tell.
func (r *Reconciler) reportUnobserved(ctx context.Context, s *Scope, err error) {
	m := s.memory
	if !m.reported() && s.Assignment.Kind != v1.Assigned && !s.exists() {
		return
	}
	st := m.seen()
	st.Name, st.ObservedGeneration = s.Name, s.Assignment.Generation
	if st.State == "" {
		st.State = firstState(s)
	}
	st.Sync, st.Health = v1.SyncUnknown, v1.HealthUnknown
	st.Reason, st.Message = providers.ReasonOf(err), oneLine(err)
	d := digest{state: st.State, sync: st.Sync, reason: st.Reason, message: st.Message, generation: st.ObservedGeneration}
	if m.shows(d) {
		return
	}
	st.Conditions = v1.SetCondition(slices.Clone(st.Conditions), v1.Condition{
		Type: v1.Ready, Status: v1.Unknown, Reason: st.Reason, Message: st.Message,
		ObservedGeneration: st.ObservedGeneration, LastTransitionTime: r.now().UTC(),
	})
	m.shown = &report{digest: d, seen: m.seen()}
	r.tell(ctx, s, v1.Event{Type: v1.EventWarning, Reason: st.Reason, Message: st.Message})
	r.report(s.Name, st)
}

// firstState is for a service that was never seen whole.
func firstState(s *Scope) v1.State {
	switch s.Assignment.Kind {
	case v1.Dismissed:
		return v1.Removing
	case v1.Absent:
		return v1.Unlisted
	}
	return v1.Rolling
}

// oneLine is an error for people: a tool's several lines become one.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(c rune) bool { return c == '\n' || c == '\r' }), "; ")
}
