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
	PathRetry   = "/v1/retry"
	PathHold    = "/v1/hold"
	PathUnhold  = "/v1/unhold"
	PathHistory = "/v1/history"
	PathWhy     = "/v1/why"
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

// RetryAnswer has the verdict that was taken back.
type RetryAnswer struct {
	Verdict v1.Verdict `json:"verdict"`
}

// HoldAnswer has the hold of this host that the new one takes the place of, if any.
type HoldAnswer struct {
	Before *v1.Hold `json:"before,omitempty"`
}

// HistoryAnswer has deployments, newest first.
type HistoryAnswer struct {
	Deployments []v1.Deployment `json:"deployments"`
}

// ErrorAnswer is the body of every answer that is not 200.
type ErrorAnswer struct {
	Error  string `json:"error"`
	Reason string `json:"reason,omitempty"`
}
