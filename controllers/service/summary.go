package service

import (
	"context"
	"errors"
	"slices"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// evidenceLines of the journal are shown in status.
const evidenceLines = 20

// summarise works out the service's state once, at the end of a pass, and reports it when
// anything in it changed.
func (r *Reconciler) summarise(ctx context.Context, name string, s *Scope, err error) {
	m := r.memories.of(name)
	if s == nil {
		r.reportUnobserved(name, m, err)
		return
	}
	if !s.exists() && s.Assignment.Kind != v1.Assigned && err == nil {
		if m.last.Name != "" {
			r.tell(ctx, s, v1.Event{Type: v1.EventNormal, Reason: "Removed", Message: "nothing of " + name + " is left on this host"})
		}
		r.memories.forget(name)
		r.report(name, v1.ServiceState{}, true)
		return
	}
	j := judge(s, err)
	if err != nil {
		r.tell(ctx, s, v1.Event{Type: v1.EventWarning, Reason: j.reason, Message: j.message})
	}
	if d := digestOf(s, j); d != m.shown {
		before := m.last.State
		m.shown, m.last = d, r.describe(ctx, s, j, err)
		if before != m.last.State {
			r.tell(ctx, s, v1.Event{Type: eventType(j.state), Reason: string(j.state), Message: j.message})
		}
		r.report(name, m.last, false)
	}
	if err == nil && j.step == nil {
		clear(m.told)
	}
}

func eventType(s v1.State) v1.EventType {
	if s == v1.Stalled {
		return v1.EventWarning
	}
	return v1.EventNormal
}

// reportUnobserved tells of a pass that could not see the host: the facts of the last
// one stay, and are called unknown.
func (r *Reconciler) reportUnobserved(name string, m *memory, err error) {
	st := m.last
	st.Name = name
	if st.State == "" {
		st.State, st.Health = v1.Rolling, v1.HealthUnknown
	}
	st.Sync, st.Reason, st.Message = v1.SyncUnknown, providers.ReasonOf(err), err.Error()
	st.Conditions = v1.SetCondition(slices.Clone(st.Conditions), v1.Condition{
		Type: v1.Ready, Status: v1.Unknown, Reason: st.Reason, Message: st.Message, LastTransitionTime: r.now().UTC(),
	})
	m.shown = digest{}
	r.report(name, st, false)
}

// judgement is what a pass means for people.
type judgement struct {
	state   v1.State
	sync    v1.Sync
	health  v1.HealthState
	reason  string
	message string
	// step is the first one that is left; nil when there is none.
	step Step
}

func judge(s *Scope, err error) judgement {
	j := judgement{}
	j.step, _ = Next(s)
	j.state = stateOf(s, j.step, err)
	j.sync = syncOf(s, j, err)
	j.health = healthOf(s, j, err)
	j.reason, j.message = reasonOf(s, j, err)
	return j
}

func stateOf(s *Scope, left Step, err error) v1.State {
	var fault *providers.Fault
	own := errors.As(err, &fault) && fault.Own
	switch {
	case s.Assignment.Kind == v1.Dismissed:
		return v1.Removing
	case s.Assignment.Kind == v1.Absent:
		return v1.Unlisted
	case s.held():
		return v1.HeldState
	case s.Blocked != nil || own || reconcile.IsTerminal(err):
		return v1.Stalled
	case s.Assignment.Revision == "":
		return v1.Waiting
	case s.Target.Wanted && s.soaked(s.instance()) && s.runs(s.instance()):
		return v1.Settled
	case left == nil && err == nil:
		return v1.Settled
	}
	return v1.Rolling
}

func syncOf(s *Scope, j judgement, err error) v1.Sync {
	switch {
	case s.Assignment.Kind == v1.Absent:
		return v1.SyncUnknown
	case s.held():
		return v1.Held
	case err == nil && (j.step == nil || j.step.Name() == stepHealth{}.Name() && j.state == v1.Settled):
		return v1.Synced
	}
	return v1.OutOfSync
}

func healthOf(s *Scope, j judgement, err error) v1.HealthState {
	u := s.primary()
	runningSoaked := s.soaked(u.Instance)
	switch {
	case !u.Running() && (s.Target == nil || j.state == v1.Waiting || j.state == v1.Removing):
		return v1.HealthUnknown
	case !u.Running() && err == nil && j.state == v1.Rolling:
		return v1.Progressing
	case !u.Running():
		return v1.Failed
	case s.Facts.Probe.Reason != "" && j.state == v1.Rolling && err == nil:
		return v1.Progressing
	case s.Facts.Probe.Reason != "" && !runningSoaked && err != nil:
		return v1.Failed
	case s.Facts.Probe.Reason != "":
		return v1.Degraded
	case !runningSoaked && s.Target != nil && s.Target.Wanted:
		return v1.Progressing
	}
	return v1.Healthy
}

func reasonOf(s *Scope, j judgement, err error) (reason, message string) {
	switch {
	case err != nil:
		return providers.ReasonOf(err), err.Error()
	case j.state == v1.Waiting:
		return "NoRelease", "no release yet: push one with `deploy-push " + s.Name + " STORE_PATH`"
	case j.state == v1.Unlisted:
		return "NotInManifest", "the manifest does not mention it, so it is left as it is; " +
			"`deploy-manifest remove-service " + s.Name + "` removes it"
	case j.state == v1.HeldState:
		return "Held", holdMessage(s)
	case j.state == v1.Settled && s.Facts.Probe.Reason != "":
		return s.Facts.Probe.Reason, s.Facts.Probe.URL + " answers: " + s.Facts.Probe.Answer
	case j.step != nil:
		_, about := Next(s)
		return intent(j.step), j.step.Why(about)
	}
	return "AsWanted", "runs " + s.instance()
}

func holdMessage(s *Scope) string {
	h := s.Assignment.Service.Hold
	msg := "held"
	if h.Owner != "" {
		msg += " by " + h.Owner
	}
	if h.Until != nil {
		msg += " until " + h.Until.UTC().Format("2006-01-02 15:04 UTC")
	}
	if h.Reason != "" {
		msg += ": " + h.Reason
	}
	return msg
}
