package tell

import (
	"fmt"
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
	line := clock(e.Time, s.now) + "  " + words(e.Reason)
	if e.Revision != "" && s.st.Desired.Revision != "" && e.Revision != s.st.Desired.Revision {
		line += " " + e.Revision
	}
	message := plain(e.Message)
	switch {
	case message == "":
		return line
	case e.Step != "" && e.Type != v1.EventWarning:
		return line + ", for " + message
	}
	return line + ": " + message
}
