package v1

import "time"

// EventType says how an event is to be read.
type EventType string

// The event types.
const (
	EventNormal  EventType = "Normal"
	EventWarning EventType = "Warning"
)

// Event is a transition, kept in a bounded file on the host and in the journal.
// `why`, `history` and notifications read events.
type Event struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Time       time.Time `json:"time"`
	Host       string    `json:"host,omitempty"`
	Service    string    `json:"service,omitempty"`
	Revision   string    `json:"revision,omitempty"`
	Generation int64     `json:"generation,omitempty"`
	Step       string    `json:"step,omitempty"`
	Type       EventType `json:"type"`
	Reason     string    `json:"reason"`
	Message    string    `json:"message"`
}
