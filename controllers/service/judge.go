package service

import (
	"errors"
	"fmt"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// grace is how long a good release may be down, while systemd starts it again, before
// the service counts as stalled.
const grace = 5 * time.Second

// judgement is what a pass means for people.
type judgement struct {
	state   v1.State
	sync    v1.Sync
	health  v1.HealthState
	reason  string
	message string
	// step is the first one that is left; nil when there is none. tidy: what is left, if
	// anything, is not worth a word. done: nothing is.
	step Step
	tidy bool
	done bool
}

func judge(s *Scope, err error) judgement {
	j := judgement{}
	var about *Scope
	j.step, about = Next(s)
	j.done = j.step == nil
	if j.tidy = j.done || isTidying(j.step) && s.settledNow(); j.tidy && err == nil {
		j.step = nil
	}
	j.state = stateOf(s, j.step, err)
	j.sync = syncOf(s, j, err)
	j.health = healthOf(s, j, err)
	j.reason, j.message = reasonOf(s, about, j, err)
	return j
}

func stateOf(s *Scope, left Step, err error) v1.State {
	switch {
	case s.held():
		return v1.HeldState
	case s.Assignment.Kind == v1.Dismissed:
		return v1.Removing
	case s.Assignment.Kind == v1.Absent:
		return v1.Unlisted
	case s.Condemned != nil && left != nil && !s.wayBackDone():
		return v1.Reverting
	case s.Condemned != nil, isCertain(s.Blocked) || isOwn(err) || err != nil && reconcile.IsTerminal(err) || s.down() || isStuck(err):
		return v1.Stalled
	case s.Assignment.Revision == "", s.Deferred != nil:
		return v1.Waiting
	case left == nil && err == nil, s.settledNow():
		return v1.Settled
	}
	return v1.Rolling
}

// settledNow: the wanted release is good and has its place, whatever is still to be tidied up.
func (s *Scope) settledNow() bool {
	return s.Target != nil && s.Target.Wanted && s.soaked(s.instance()) && s.runs(v1.Primary, s.instance()) &&
		!s.coming(v1.Primary) && s.live() != v1.Standby
}

// wayBackDone: after a bad release, the last good one serves; or there is none.
func (s *Scope) wayBackDone() bool {
	return s.Target != nil && s.runs(v1.Primary, s.instance()) && s.live() != v1.Standby
}

// isStuck: a good release that does not get well where it was put needs somebody.
func isStuck(err error) bool { return err != nil && providers.ReasonOf(err) == "NotWellAgain" }

// isCertain reports whether the world answered, and the answer is no.
func isCertain(err error) bool {
	if err == nil {
		return false
	}
	var fault *providers.Fault
	return errors.As(err, &fault) && !errors.Is(err, providers.ErrUnavailable)
}

// down reports whether a good release ends whenever it is started.
func (s *Scope) down() bool {
	mind := &s.memory.primary
	return s.Target != nil && s.soaked(s.instance()) && !s.unit(v1.Primary).Running() &&
		mind.started(s.instance()) && mind.unwellFor(s.instance(), s.Now) >= grace
}

// isOwn reports whether the release itself is to blame.
func isOwn(err error) bool {
	if err == nil {
		return false
	}
	var fault *providers.Fault
	return errors.As(err, &fault) && fault.Own
}

func syncOf(s *Scope, j judgement, err error) v1.Sync {
	switch {
	case s.held():
		return v1.Held
	case s.Assignment.Kind == v1.Absent:
		return v1.SyncUnknown
	case s.Facts.RouteErr != nil:
		return v1.SyncUnknown
	case s.Condemned != nil || s.Deferred != nil || s.Target != nil && !s.Target.Wanted && s.Assignment.Revision != "":
		return v1.OutOfSync
	case err == nil && j.tidy && s.Assignment.Kind == v1.Assigned:
		return v1.Synced
	}
	return v1.OutOfSync
}

// isTidying: what is left concerns only what nobody uses any more.
func isTidying(step Step) bool {
	switch t := step.(type) {
	case stepPrune:
		return true
	case stepDrain:
		return t.slot == v1.Standby
	case stepRetire:
		return t.slot == v1.Standby
	}
	return false
}

// healthOf tells of the slot that has the requests.
func healthOf(s *Scope, j judgement, err error) v1.HealthState {
	slot := s.front()
	u, f := s.unit(slot), s.Facts.of(slot)
	switch {
	case s.Target == nil && s.Condemned != nil:
		return v1.Failed
	case s.Target == nil:
		return v1.HealthUnknown
	case !u.Running():
		return healthOfStopped(s, j, err)
	case f.ProbeErr != nil || u.Instance == "":
		return v1.HealthUnknown
	case f.Probe.Reason != "":
		return healthOfUnwell(s, slot, err)
	case s.soaked(u.Instance) || j.state == v1.HeldState || j.state == v1.Unlisted:
		return v1.Healthy
	case isOwn(err), s.bad(u.Instance):
		return v1.Degraded
	}
	return v1.Progressing
}

// healthOfStopped: what never ran, or is on its way, has not failed yet, whatever of the
// world is in its way.
func healthOfStopped(s *Scope, j judgement, err error) v1.HealthState {
	_, installed := s.pointed(v1.Primary)
	switch {
	case j.state == v1.HeldState || j.state == v1.Unlisted || j.state == v1.Waiting:
		return v1.Failed
	case isOwn(err) || j.state == v1.Stalled:
		return v1.Failed
	case err != nil && installed && s.Facts.Releases.Upstream != "":
		return v1.Failed
	}
	return v1.Progressing
}

func healthOfUnwell(s *Scope, slot v1.Slot, err error) v1.HealthState {
	switch {
	case s.soaked(s.unit(slot).Instance) && !s.coming(slot):
		return v1.Degraded
	case isOwn(err):
		return v1.Failed
	}
	return v1.Progressing
}

func reasonOf(s, about *Scope, j judgement, err error) (reason, message string) {
	front := s.Facts.of(s.front()).Probe
	switch {
	case err != nil:
		return providers.ReasonOf(err), oneLine(err)
	case j.state == v1.HeldState:
		return "Held", holdMessage(s)
	case s.Condemned != nil:
		return condemnedReason(s)
	case j.state == v1.Stalled && s.Blocked != nil:
		return providers.ReasonOf(s.Blocked), oneLine(s.Blocked)
	case j.state == v1.Stalled:
		return "Exited", endedFault(s, v1.Primary).Error()
	case j.state == v1.Waiting && s.Deferred != nil:
		return providers.ReasonOf(s.Deferred), oneLine(s.Deferred)
	case j.state == v1.Waiting:
		return "NoRelease", waitMessage(s)
	case j.state == v1.Unlisted:
		return "NotInManifest", "the manifest does not mention it, so it is left as it is; " +
			"`deploy-manifest remove-service " + s.Name + "` removes it"
	case j.step != nil:
		return intent(j.step), j.step.Why(about)
	case front.Reason != "":
		return front.Reason, probed(front)
	}
	return "AsWanted", "runs " + s.instance() + s.healedNote()
}

// condemnedReason tells what was judged bad and why, and what serves instead.
func condemnedReason(s *Scope) (reason, message string) {
	v := s.Condemned
	retry := fmt.Sprintf("; `deployerctl why %s` tells all, `deployerctl retry %s` tries it again", s.Name, s.Name)
	if s.Target == nil {
		return v.Reason, v.Message + "; there is no good release to go back to, so it is stopped and kept for a look" + retry
	}
	state := "serves again"
	if !s.wayBackDone() {
		state = "is on its way back"
	}
	return "RolledBack", fmt.Sprintf("%s; %s %s%s", v.Message, s.Target.Instance.Revision, state, retry)
}

func waitMessage(s *Scope) string {
	msg := "no release yet: push one with `deploy-push " + s.Name + " STORE_PATH`"
	if s.Target != nil {
		msg += "; " + s.instance() + " runs on"
	}
	if s.Facts.SecretErr != nil {
		msg += "; before that, " + s.Facts.SecretErr.Error()
	}
	return msg
}

func holdMessage(s *Scope) string {
	h := s.Hold
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
	if would := s.undone(); would != "" {
		msg += "; not done meanwhile: " + would
	}
	return msg
}

// undone is the first thing that a hold keeps from being done; empty for none.
func (s *Scope) undone() string {
	free := *s
	free.Hold = nil
	if step, about := Next(&free); step != nil {
		return step.Why(about)
	}
	return ""
}
