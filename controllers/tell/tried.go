package tell

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "deployer/api/v1"
)

// tried are the events of the last try, or the last few of all when no try is recorded.
func (s *story) tried() []string {
	const most = 30
	events := s.Events
	if s.try != nil && s.State != nil {
		events = since(events, s.try.Began)
	}
	if len(events) == 0 {
		return nil
	}
	var out []string
	if len(events) > most {
		out = append(out, fmt.Sprintf("(%d earlier events are left out)", len(events)-most))
		events = events[len(events)-most:]
	}
	for _, e := range events {
		out = append(out, s.event(e))
	}
	return out
}

// since is a little generous: the first event of a try may be told just before its record.
func since(events []v1.Event, began time.Time) []v1.Event {
	for i, e := range events {
		if !e.Time.Before(began.Add(-time.Second)) {
			return events[i:]
		}
	}
	return nil
}

// event is a step with what made it necessary, or a transition with what it says.
func (s *story) event(e v1.Event) string {
	at, what, message := clock(e.Time, s.now)+"  ", words(e.Reason), plain(e.Message)
	switch v1.HealthState(e.Reason) {
	case v1.Healthy, v1.Progressing, v1.Degraded, v1.Failed, v1.HealthUnknown:
		what = "health " + what
	}
	switch {
	case message == "":
		return at + what
	case e.Step == "":
		if strings.HasPrefix(message, what+" ") {
			return at + message
		}
		return at + what + ": " + message
	case e.Revision != s.st.Desired.Revision && s.st.Desired.Revision != "" && slices.Contains(ofOneRelease(), e.Step):
		what += " " + e.Revision
	}
	joint := ", for "
	if e.Step == "condemn" || e.Type == v1.EventWarning {
		joint = ": "
	}
	return at + inSlot(what, joint, message)
}

// ofOneRelease are the steps that bring a release in, which may be another one than the
// manifest wants: the last good one.
func ofOneRelease() []string {
	return []string{"root", "pull", "stage", "install", "start", "health", "shift", "soak"}
}

// inSlot joins a step and what made it necessary; the slot is named with the step.
func inSlot(what, joint, why string) string {
	for _, slot := range []v1.Slot{v1.Primary, v1.Standby} {
		place := "in the " + string(slot) + " slot"
		if rest, ok := strings.CutPrefix(why, place+": "); ok {
			return what + " " + place + joint + rest
		}
	}
	return what + joint + why
}
