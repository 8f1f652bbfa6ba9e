package service

import (
	"context"
	"errors"
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
}

type slotDigest struct {
	active, sub, instance string
	pid, restarts         int
}

func digestOf(s *Scope, j judgement) digest {
	d := digest{
		state: j.state, sync: j.sync, health: j.health, reason: j.reason, message: j.message,
		generation: s.Assignment.Generation, instance: s.instance(),
		primary: slotDigestOf(&s.Facts.Units.Primary), standby: slotDigestOf(&s.Facts.Units.Standby),
		upstream: s.Facts.Releases.Upstream, staged: len(s.Facts.Releases.Staged),
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
		Evidence: r.evidence(ctx, s, err),
	}
	if s.Assignment.Kind == v1.Assigned {
		st.Strategy = v1.StrategyReplace
	}
	if h := s.Assignment.Service.HTTP; h != nil {
		st.Route = h.Domain + h.Path
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
	if s.Target != nil && s.Target.Wanted {
		t.Instance = s.instance()
	}
	return t
}

// servingOf is what really runs, by the process's own credential.
func servingOf(s *Scope) v1.Target {
	u := s.primary()
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
		u := s.Facts.Units.of(slot)
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
			out = append(out, *r.Verdict)
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
	for _, step := range planOf(s) {
		status, reason, message := conditionOf(step, s, reached)
		reached = reached && step.Done(s)
		set(step.Condition(), status, reason, message)
	}
	if j.state == v1.Rolling || j.state == v1.Removing {
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

// planOf are the steps that tell of the service.
func planOf(s *Scope) []Step {
	switch {
	case s.Assignment.Kind == v1.Dismissed:
		return removalPlan()
	case s.Assignment.Kind == v1.Assigned && s.Target != nil:
		return replacePlan()
	}
	return nil
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

// evidence is what was seen of a release that failed by its own fault.
func (r *Reconciler) evidence(ctx context.Context, s *Scope, err error) *v1.Evidence {
	var fault *providers.Fault
	if !errors.As(err, &fault) || !fault.Own {
		return nil
	}
	u := s.primary()
	e := &v1.Evidence{Signal: u.Signal, ProbeURL: s.Facts.Probe.URL, ProbeAnswer: s.Facts.Probe.Answer}
	if u.ExitStatus != 0 {
		e.ExitStatus = &u.ExitStatus
	}
	lines, err := s.host.Units.Journal(ctx, s.Name, v1.Primary, providers.JournalOptions{Lines: evidenceLines})
	if err != nil {
		lines = []string{"the journal could not be read: " + err.Error()}
	}
	e.Log = redacted(lines, s.Facts.Secret.Content)
	return e
}

// redacted takes the values of the secrets file out of what a program wrote: a status is
// for more eyes than a journal.
func redacted(lines []string, secrets []byte) []string {
	const shortest = 4 // shorter values are words, not secrets
	var pairs []string
	for line := range strings.Lines(string(secrets)) {
		_, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if value = strings.Trim(value, `"'`); len(value) >= shortest {
			pairs = append(pairs, value, "[redacted]")
		}
	}
	if len(pairs) == 0 {
		return lines
	}
	hide := strings.NewReplacer(pairs...)
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = hide.Replace(line)
	}
	return out
}
