package v1

import "time"

// Outcome is how a deployment ended, or that it has not yet.
type Outcome string

// The outcomes.
const (
	// OutcomeRolling: it goes on.
	OutcomeRolling Outcome = "Rolling"
	// OutcomeSettled: it soaked, and is the last good one.
	OutcomeSettled Outcome = "Settled"
	// OutcomeRolledBack: it was judged bad, and the last good one serves.
	OutcomeRolledBack Outcome = "RolledBack"
	// OutcomeFailed: it was judged bad, and there is none to go back to.
	OutcomeFailed Outcome = "Failed"
	// OutcomeSuperseded: the manifest named another one before it was over.
	OutcomeSuperseded Outcome = "Superseded"
)

// Deployment is one try to bring an instance of a service onto a host.
type Deployment struct {
	Service string `json:"service"`
	// Revision, Instance, StorePath and Commit of what was to run.
	Target
	// Before is what served when it began; empty for the first one.
	Before     Target `json:"before,omitzero"`
	Generation int64  `json:"generation"`
	// By and Message are the manifest's updatedBy and message of that generation.
	By      string `json:"by,omitempty"`
	Message string `json:"message,omitempty"`
	// Strategy is overlap or replace.
	Strategy string `json:"strategy,omitempty"`
	// Changed says in a clause each what differs from Before: "storePath", "env.AREA", "secrets".
	Changed []string `json:"changed,omitempty"`
	// Began is when this host first chose it; LiveAt when requests first went to it; EndedAt
	// when there was an outcome.
	Began   time.Time `json:"began"`
	LiveAt  time.Time `json:"liveAt,omitzero"`
	EndedAt time.Time `json:"endedAt,omitzero"`
	Outcome Outcome   `json:"outcome"`
	// Reason and Detail are those of the verdict, when it was bad.
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}
