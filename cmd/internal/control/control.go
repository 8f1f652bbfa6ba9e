// Package control is the HTTP interface of the daemon on its control socket, both sides
// of it. Only root can open the socket.
package control

import (
	"deployer/api/v1"
	"deployer/controllers/service"
)

// Socket is where the daemon serves.
const Socket = "/run/biz-deployer/control.sock"

// The endpoints.
const (
	PathStatus  = "/v1/status"
	PathPlan    = "/v1/plan"
	PathSync    = "/v1/sync"
	PathAdopt   = "/v1/adopt"
	PathEvents  = "/v1/events"
	PathMetrics = "/metrics"
)

// SyncAnswer is what a sync found.
type SyncAnswer struct {
	Generation int64 `json:"generation"`
	// Problem is why the store's content is not in force; empty when it is.
	Problem string `json:"problem,omitempty"`
}

// PlanAnswer is what the next passes would do.
type PlanAnswer struct {
	Plans   []service.Plan `json:"plans"`
	Problem string         `json:"problem,omitempty"`
}

// AdoptAnswer is the lineage that the host obeys now.
type AdoptAnswer struct {
	Lineage    string `json:"lineage"`
	Generation int64  `json:"generation"`
}

// EventsAnswer has events, oldest first.
type EventsAnswer struct {
	Events []v1.Event `json:"events"`
}

// ErrorAnswer is the body of every answer that is not 200.
type ErrorAnswer struct {
	Error  string `json:"error"`
	Reason string `json:"reason,omitempty"`
}
