package fleet

import (
	"time"

	v1 "deployer/api/v1"
)

// KindFleetState is the kind of a View in JSON.
const KindFleetState = "FleetState"

// Outcome is how far a service is on a host, seen from the manifest.
type Outcome string

// The outcomes. The first three are verdicts; the others may become one.
const (
	// AsWanted: it runs what the manifest wants, judged good; or nothing is to be done.
	AsWanted Outcome = "AsWanted"
	// Failed: the release is bad here, or on another host and therefore not tried here; or
	// what ran well is ill.
	Failed Outcome = "Failed"
	// Paused: somebody holds it. It stays as it is until that ends.
	Paused Outcome = "Held"
	// Going: the host is on its way.
	Going Outcome = "Progressing"
	// Unknown: the host is silent, or cannot tell.
	Unknown Outcome = "Unknown"
)

// Decided reports whether that is a verdict.
func (o Outcome) Decided() bool { return o == AsWanted || o == Failed || o == Paused }

// View is the whole fleet, or one service of it.
type View struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Lineage and Generation are of the manifest in the store.
	Lineage    string    `json:"lineage,omitempty"`
	Generation int64     `json:"generation"`
	At         time.Time `json:"at"`
	// Hosts that the manifest names and those that report, by name.
	Hosts []Host `json:"hosts"`
	// Services by name and host.
	Services []Row `json:"services"`
}

// Host is one machine.
type Host struct {
	Name string `json:"name"`
	// Named: the manifest wants something there.
	Named bool `json:"named"`
	// Silent: there is no report, or none for SilentAfter.
	Silent bool `json:"silent"`
	// ReportedAt is the time of the last report; zero when there is none.
	ReportedAt time.Time `json:"reportedAt,omitzero"`
	Daemon     string    `json:"daemon,omitempty"`
	// Generation that it obeys.
	Generation int64 `json:"generation"`
	// Problem is why nothing, or nothing new, is known of it, or why it does not obey the
	// manifest in the store; empty when all is well.
	Problem string `json:"problem,omitempty"`
}

// Row is one service on one host.
type Row struct {
	Service string  `json:"service"`
	Host    string  `json:"host"`
	Outcome Outcome `json:"outcome"`
	// Wanted is what the manifest wants there, Serving what answers there now.
	Wanted  v1.Target `json:"wanted,omitzero"`
	Serving v1.Target `json:"serving,omitzero"`
	// Unheard: the host says nothing about the manifest in the store. State and what serves
	// are what it said last; Reason and Message are about the host.
	Unheard bool `json:"unheard,omitempty"`
	// Live: requests go to what is wanted, which may have to soak yet.
	Live   bool           `json:"live"`
	State  v1.State       `json:"state,omitempty"`
	Sync   v1.Sync        `json:"sync,omitempty"`
	Health v1.HealthState `json:"health,omitempty"`
	// Since is when State last changed.
	Since   time.Time `json:"since,omitzero"`
	Reason  string    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"`
	// Evidence of a failure, with the last log lines.
	Evidence *v1.Evidence `json:"evidence,omitempty"`
}

// Worst is the outcome of the rows together: what failed before what is unknown before what
// goes on.
func (v View) Worst() Outcome {
	worst := AsWanted
	rank := map[Outcome]int{AsWanted: 0, Paused: 1, Going: 2, Unknown: 3, Failed: 4}
	for _, r := range v.Services {
		if rank[r.Outcome] > rank[worst] {
			worst = r.Outcome
		}
	}
	return worst
}
