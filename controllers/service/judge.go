package service

import (
	"errors"
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
	// step is the first one that is left; nil when there is none.
	step Step
}

func judge(s *Scope, err error) judgement {
	j := judgement{}
	var about *Scope
	j.step, about = Next(s)
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
	case isCertain(s.Blocked) || isOwn(err) || err != nil && reconcile.IsTerminal(err) || s.down():
		return v1.Stalled
	case s.Assignment.Revision == "":
		return v1.Waiting
	case left == nil && err == nil:
		return v1.Settled
	case s.Target != nil && s.Target.Wanted && s.soaked(s.instance()) && s.runs(s.instance()) && !s.coming():
		return v1.Settled
	}
	return v1.Rolling
}

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
	return s.Target != nil && s.soaked(s.instance()) && !s.primary().Running() &&
		s.memory.started(s.instance()) && s.memory.unwellFor(s.instance(), s.Now) >= grace
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
	case err == nil && j.step == nil && s.Assignment.Kind == v1.Assigned:
		return v1.Synced
	}
	return v1.OutOfSync
}

func healthOf(s *Scope, j judgement, err error) v1.HealthState {
	u := s.primary()
	switch {
	case s.Target == nil:
		return v1.HealthUnknown
	case !u.Running():
		return healthOfStopped(s, j, err)
	case s.Facts.ProbeErr != nil || u.Instance == "":
		return v1.HealthUnknown
	case s.Facts.Probe.Reason != "":
		return healthOfUnwell(s, err)
	case s.soaked(u.Instance) || j.state == v1.HeldState || j.state == v1.Unlisted:
		return v1.Healthy
	case isOwn(err):
		return v1.Degraded
	}
	return v1.Progressing
}

// healthOfStopped: what never ran, or is on its way, has not failed yet, whatever of the
// world is in its way.
func healthOfStopped(s *Scope, j judgement, err error) v1.HealthState {
	_, installed := s.pointed()
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

func healthOfUnwell(s *Scope, err error) v1.HealthState {
	switch {
	case s.soaked(s.primary().Instance) && !s.coming():
		return v1.Degraded
	case isOwn(err):
		return v1.Failed
	}
	return v1.Progressing
}

func reasonOf(s, about *Scope, j judgement, err error) (reason, message string) {
	switch {
	case err != nil:
		return providers.ReasonOf(err), oneLine(err)
	case j.state == v1.HeldState:
		return "Held", holdMessage(s)
	case j.state == v1.Stalled && s.Blocked != nil:
		return providers.ReasonOf(s.Blocked), oneLine(s.Blocked)
	case j.state == v1.Stalled:
		return "Exited", endedFault(s).Error()
	case j.state == v1.Waiting:
		return "NoRelease", waitMessage(s)
	case j.state == v1.Unlisted:
		return "NotInManifest", "the manifest does not mention it, so it is left as it is; " +
			"`deploy-manifest remove-service " + s.Name + "` removes it"
	case j.step != nil:
		return intent(j.step), j.step.Why(about)
	case s.Facts.Probe.Reason != "":
		return s.Facts.Probe.Reason, s.Facts.Probe.URL + " answers: " + s.Facts.Probe.Answer
	}
	return "AsWanted", "runs " + s.instance()
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
