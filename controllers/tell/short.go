package tell

import (
	"fmt"

	v1 "deployer/api/v1"
)

// short is the answer in two lines: the first says what the matter is and why, the second
// who serves and what to do. The first case that fits tells.
func (s *story) short() (matter, next string) {
	switch st := &s.st; {
	case s.State == nil:
		return s.gone()
	case st.State == v1.HeldState:
		return s.heldBy()
	case st.State == v1.Removing:
		return s.removing()
	case st.State == v1.Unlisted:
		return s.unlisted()
	case st.Reason == "NotLookedAt":
		return s.name() + " was not looked at yet: the daemon has just started.", "Ask again in a few seconds."
	case st.Sync == v1.SyncUnknown && st.Health == v1.HealthUnknown:
		return s.unobserved()
	case st.State == v1.Reverting:
		return s.reverting()
	case st.State == v1.Stalled && s.bad != nil:
		return s.judgedBad()
	case st.State == v1.Stalled || st.Failures > 0:
		return s.stuck()
	case st.State == v1.Waiting && st.Desired.Revision != "":
		return s.waitingForOthers()
	case st.State == v1.Waiting:
		return s.waiting()
	case st.State == v1.Rolling:
		return s.underWay()
	case st.Health != v1.Healthy:
		return s.ill()
	}
	return s.asWanted()
}

// judgedBad: what the manifest wants failed here by its own fault.
func (s *story) judgedBad() (matter, next string) {
	what := s.release() + " was rolled back"
	switch {
	case s.st.Serving.Revision == "" && s.first():
		what = "its first release, " + s.st.Desired.Revision + ", failed"
	case s.st.Serving.Revision == "" || s.wanted(s.st.Serving):
		what = s.release() + " failed"
	}
	matter = fmt.Sprintf("%s: %s %s, because %s%s.", s.name(), what, Ago(s.bad.At, s.now), s.because(), s.lastWords())
	return matter, s.serving() + ". Push a fix; or, if the cause lay elsewhere and is gone, `deployerctl retry " + s.Service + "`."
}

// waitingForOthers: other hosts keep this one from starting a release.
func (s *story) waitingForOthers() (matter, next string) {
	return fmt.Sprintf("%s waits: %s.", s.name(), s.message()), s.serving() + "."
}

// release is what the manifest wants, as a newcomer may call it.
func (s *story) release() string {
	name := "release " + s.st.Desired.Revision
	if s.otherSecrets() {
		name += " with the changed secrets file"
	}
	return name
}

// otherSecrets: the last try was of the release that ran already.
func (s *story) otherSecrets() bool {
	return s.try != nil && s.try.Before.Revision != "" && s.try.Before.Revision == s.try.Revision
}

// first: nothing served before it was tried.
func (s *story) first() bool { return s.try != nil && s.try.Before.Revision == "" && s.good == nil }

func (s *story) reverting() (matter, next string) {
	matter = fmt.Sprintf("%s: %s is being rolled back, because %s%s.", s.name(), s.release(), s.because(), s.lastWords())
	return matter, s.serving() + ". " + s.watch()
}

// stuck: something of the world is in the way, or the release was not judged yet.
func (s *story) stuck() (matter, next string) {
	matter = s.name() + " is not as wanted"
	if s.st.Desired.Revision != "" && !s.wanted(s.st.Serving) {
		matter = fmt.Sprintf("%s: %s is stuck", s.name(), s.release())
	}
	return fmt.Sprintf("%s, because %s.", matter, s.message()),
		s.serving() + ". It is tried again by itself, and goes on once that is mended; `deployerctl sync` tries at once."
}

func (s *story) heldBy() (matter, next string) {
	hold := "somebody"
	if s.st.Hold != nil {
		hold = Hold(*s.st.Hold, s.now)
	}
	matter = fmt.Sprintf("%s is held by %s.", s.name(), hold)
	next = s.serving() + ". While it is held, this host changes nothing of it: it reports what differs, and releases wait. `" + s.unhold() + "` ends it."
	if s.HostHold != nil && !s.heldHere() {
		next += " (There is a hold of this host, too.)"
	}
	return matter, next
}

// heldHere reports whether the hold that is shown is that of this host. One of the manifest
// comes first.
func (s *story) heldHere() bool {
	a, b := s.st.Hold, s.HostHold
	if a == nil || b == nil {
		return b != nil
	}
	sameEnd := a.Until == nil && b.Until == nil || a.Until != nil && b.Until != nil && a.Until.Equal(*b.Until)
	return sameEnd && a.Owner == b.Owner && a.Reason == b.Reason && a.Forever == b.Forever
}

// unhold is the command that ends the hold that is shown.
func (s *story) unhold() string {
	if s.heldHere() {
		return "deployerctl unhold " + s.Service
	}
	return "deploy-manifest unhold " + s.Service
}

func (s *story) waiting() (matter, next string) {
	matter = s.name() + " waits for its first release: the manifest lists it, but names none yet."
	if s.st.Serving.Revision != "" {
		matter = s.name() + " waits for a release: the manifest names none any more."
	}
	next = sentence(s.message())
	if s.st.Message == "" {
		next = "Push one with `deploy-push " + s.Service + " STORE_PATH`."
	}
	return matter, next
}

func (s *story) removing() (matter, next string) {
	why := "the manifest does not name " + s.Host + " among its hosts any more"
	if r := s.Manifest.Removal; r != nil {
		why = "the manifest lists it as removed" + by(r)
	}
	matter = fmt.Sprintf("%s is being taken down, because %s.", s.name(), why)
	if s.st.Failures > 0 {
		return matter, "That is stuck, because " + s.message() + ". It is tried again by itself."
	}
	return matter, "What is left of it: " + s.message() + ". " + s.watch()
}

// gone: the host reports nothing of it, but remembers it.
func (s *story) gone() (matter, next string) {
	matter = s.Service + " is not on " + s.Host
	for _, e := range s.Events {
		if e.Reason == "Removed" {
			matter = fmt.Sprintf("%s is not on %s any more: it was taken down %s", s.Service, s.Host, Ago(e.Time, s.now))
		}
	}
	if r := s.Manifest.Removal; r != nil {
		matter += ", for the manifest lists it as removed" + by(r)
	}
	return matter + ".", "`deploy-manifest add-service` brings it back; `deploy-manifest show " + s.Service + "` says whether it belongs on another host."
}

func by(r *v1.Removal) string {
	text := fmt.Sprintf(" (generation %d", r.Generation)
	if r.By != "" {
		text += ", by " + r.By
	}
	return text + ")"
}

func (s *story) unlisted() (matter, next string) {
	return s.name() + " is left as it is, because the manifest does not mention it: somebody took it out without saying that it should go.",
		s.serving() + ". `deploy-manifest remove-service " + s.Service + "` takes it down; `deploy-manifest add-service` wants it again."
}

func (s *story) unobserved() (matter, next string) {
	return s.name() + ": its state is not known, because this host could not be looked at: " + s.message() + ".",
		"Nothing of it is changed until it can be seen again; what ran goes on running. It is tried again by itself."
}

func (s *story) underWay() (matter, next string) {
	doing := or(words(s.st.Reason), "working")
	if s.st.Message != "" {
		doing = inSlot(doing, ", for ", s.message())
	}
	what := "is on its way to " + s.release()
	if s.wanted(s.st.Serving) && (s.try == nil || s.try.Outcome != v1.OutcomeRolling) {
		what = "is being put in order"
	}
	since := ""
	if !s.st.Since.IsZero() {
		since = ", for " + s.lasting(s.st.Since) + " now"
	}
	return fmt.Sprintf("%s %s%s: %s.", s.name(), what, since, doing), s.serving() + ". " + s.watch()
}

func (s *story) ill() (matter, next string) {
	return fmt.Sprintf("%s is not well, because %s%s.", s.name(), s.message(), s.lastWords()),
		s.serving() + fmt.Sprintf(". Look at `deployerctl logs %s`; push a fix, or go back with `deploy-manifest rollback --service %[1]s`.", s.Service)
}

func (s *story) asWanted() (matter, next string) {
	is := "is as wanted"
	if !s.st.Since.IsZero() {
		is = "has been as wanted for " + s.lasting(s.st.Since)
	}
	next = "Nothing is to be done."
	if s.Down {
		next = "But the daemon does not run, so nothing is put right, and no release comes here: `systemctl start biz-deployer`."
	} else if h := s.st.Healed; h != nil && h.Count >= many {
		next = "But it was " + Healed(*h, s.now) + ". Change the manifest instead, or hold it: `deployerctl hold " + s.Service + " --reason …`."
	}
	if s.Manifest.StaleSince != nil {
		return fmt.Sprintf("%s runs as it was wanted last, but this host could not read the manifest for %s, because %s.",
				s.name(), Span(s.now.Sub(*s.Manifest.StaleSince)), or(plain(s.Manifest.Problem), "the store does not answer")),
			s.serving() + " and goes on; new releases come here once the store can be read. `deployerctl doctor` looks at it."
	}
	return fmt.Sprintf("%s %s: it runs release %s%s.", s.name(), is, or(s.st.Serving.Revision, s.st.Desired.Revision), commit(s.st.Serving)), next
}

// watch is for what goes on by itself.
func (s *story) watch() string {
	return "It goes on by itself: `deployerctl status " + s.Service + " --watch` shows it."
}
