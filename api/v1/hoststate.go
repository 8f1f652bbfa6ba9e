package v1

import "time"

// APIVersion and the kinds that reports carry.
const (
	APIVersion    = "deployer/v1"
	KindHostState = "HostState"
	KindEvent     = "Event"
)

// HostState is what a host reports: state.json, `deployerctl status -o json`, and later
// status/<host>.json in the store. It is a report, never proof of anything.
type HostState struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Host       string `json:"host"`
	// Daemon is the version of the daemon that wrote it.
	Daemon string `json:"daemon"`
	// UpdatedAt is the time of the last change or heartbeat.
	UpdatedAt time.Time `json:"updatedAt"`
	// Lineage and ObservedGeneration are of the manifest in force.
	Lineage            string         `json:"lineage,omitempty"`
	ObservedGeneration int64          `json:"observedGeneration"`
	Manifest           ManifestStatus `json:"manifest"`
	Conditions         []Condition    `json:"conditions,omitempty"`
	Services           []ServiceState `json:"services"`
}

// ManifestStatus tells where the manifest in force came from and how fresh it is.
type ManifestStatus struct {
	// Store is the URL without credentials.
	Store string `json:"store"`
	ETag  string `json:"etag,omitempty"`
	Hash  string `json:"hash,omitempty"`
	// LastRead is the time of the last answer of the store, also "not modified".
	LastRead time.Time `json:"lastRead,omitzero"`
	// StaleSince is set while the store does not answer or answers with something unusable.
	StaleSince *time.Time `json:"staleSince,omitempty"`
	UpdatedAt  time.Time  `json:"updatedAt,omitzero"`
	UpdatedBy  string     `json:"updatedBy,omitempty"`
}

// Sync says whether the host agrees with the manifest.
type Sync string

// The sync axis.
const (
	Synced      Sync = "Synced"
	OutOfSync   Sync = "OutOfSync"
	Held        Sync = "Held"
	SyncUnknown Sync = "Unknown"
)

// HealthState says how the service does.
type HealthState string

// The health axis.
const (
	Healthy     HealthState = "Healthy"
	Progressing HealthState = "Progressing"
	Degraded    HealthState = "Degraded"
	Failed      HealthState = "Failed"
	// HealthUnknown: nothing has been observed yet.
	HealthUnknown HealthState = "Unknown"
)

// State is the phase of a service's life on a host; the picture is in PROJECT.md.
type State string

// The states.
const (
	Waiting   State = "Waiting"
	Rolling   State = "Rolling"
	Settled   State = "Settled"
	Reverting State = "Reverting"
	Stalled   State = "Stalled"
	HeldState State = "Held"
	Removing  State = "Removing"
	Unlisted  State = "Unlisted" // in no manifest entry and in no removal: it keeps running
)

// ServiceState is one service on this host.
type ServiceState struct {
	Name   string      `json:"name"`
	State  State       `json:"state"`
	Sync   Sync        `json:"sync"`
	Health HealthState `json:"health"`
	// Reason is one CamelCase word, Message a sentence with the way out.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Generation in which the manifest's entry was last acted on.
	ObservedGeneration int64 `json:"observedGeneration"`
	// Desired is what the manifest wants, Serving what answers now.
	Desired Target `json:"desired,omitzero"`
	Serving Target `json:"serving,omitzero"`
	// Slots that exist, by name.
	Slots map[Slot]SlotState `json:"slots,omitempty"`
	// Route is domain and path; Upstream the address that gets requests now.
	Route    string `json:"route,omitempty"`
	Upstream string `json:"upstream,omitempty"`
	// Strategy is overlap or replace, StrategyReason why, as half a sentence.
	Strategy       string      `json:"strategy,omitempty"`
	StrategyReason string      `json:"strategyReason,omitempty"`
	Conditions     []Condition `json:"conditions,omitempty"`
	// Hold that is in force, of the manifest or of this host.
	Hold *Hold `json:"hold,omitempty"`
	// Healed tells of what somebody else changed on the host and was put right; absent when
	// there was nothing of late.
	Healed *Healed `json:"healed,omitempty"`
	// Since is when State last changed.
	Since time.Time `json:"since,omitzero"`
	// Failures in a row of this service's passes.
	Failures int `json:"failures,omitempty"`
	// Evidence of the failure that Reason names, with the last 20 journal lines.
	Evidence *Evidence `json:"evidence,omitempty"`
	// Verdicts on instances that still have a release directory, newest first.
	Verdicts []Verdict `json:"verdicts,omitempty"`
}

// Healed counts what was put right in the last ten minutes.
type Healed struct {
	Count int `json:"count"`
	// Last is when, and What what: "unit file", "drop-in override.conf", "stopped", "root", "route", ….
	Last time.Time `json:"last"`
	What string    `json:"what"`
}

// Target names a release for people and for programs.
type Target struct {
	Revision  string `json:"revision,omitempty"`
	Instance  string `json:"instance,omitempty"`
	StorePath string `json:"storePath,omitempty"`
	Commit    string `json:"commit,omitempty"`
}

// SlotState is what one slot's unit shows.
type SlotState struct {
	Unit     string `json:"unit"`
	Active   string `json:"active"`
	Sub      string `json:"sub,omitempty"`
	Instance string `json:"instance,omitempty"`
	MainPID  int    `json:"mainPID,omitempty"`
	Restarts int    `json:"restarts,omitempty"`
	// Since is when the unit became active.
	Since time.Time `json:"since,omitzero"`
	// Memory in bytes, when the kernel accounts it.
	Memory *uint64 `json:"memory,omitempty"`
}

// VerdictResult is soaked or bad.
type VerdictResult string

// The verdicts.
const (
	VerdictSoaked VerdictResult = "soaked"
	VerdictBad    VerdictResult = "bad"
)

// Verdict is the durable judgement on an instance.
type Verdict struct {
	Instance string        `json:"instance"`
	Result   VerdictResult `json:"result"`
	At       time.Time     `json:"at"`
	Reason   string        `json:"reason,omitempty"`
	Message  string        `json:"message,omitempty"`
	Evidence *Evidence     `json:"evidence,omitempty"`
}

// Evidence is what was seen of an instance that was judged bad.
type Evidence struct {
	ExitStatus *int   `json:"exitStatus,omitempty"`
	Signal     string `json:"signal,omitempty"`
	ProbeURL   string `json:"probeURL,omitempty"`
	// ProbeAnswer is the status line or the error of the last probe.
	ProbeAnswer string `json:"probeAnswer,omitempty"`
	// Log has the last journal lines: 200 in the release directory, 20 in status.
	Log []string `json:"log,omitempty"`
}

// ConditionStatus is True, False or Unknown.
type ConditionStatus string

// The statuses of a condition.
const (
	True    ConditionStatus = "True"
	False   ConditionStatus = "False"
	Unknown ConditionStatus = "Unknown"
)

// Condition types: one per step (Rooted, Pulled, …, named by the step), and these.
const (
	// Ready is computed once, at the end of a pass.
	Ready = "Ready"
	// Reconciling and StalledCondition are present only while true.
	Reconciling      = "Reconciling"
	StalledCondition = "Stalled"
)

// Condition has the JSON shape of Kubernetes' metav1.Condition.
type Condition struct {
	Type               string          `json:"type"`
	Status             ConditionStatus `json:"status"`
	Reason             string          `json:"reason"`
	Message            string          `json:"message,omitempty"`
	ObservedGeneration int64           `json:"observedGeneration,omitempty"`
	LastTransitionTime time.Time       `json:"lastTransitionTime"`
}

// SetCondition adds or replaces the condition of the same type; the transition time is
// kept while the status stays the same.
func SetCondition(list []Condition, c Condition) []Condition {
	for i := range list {
		if list[i].Type != c.Type {
			continue
		}
		if list[i].Status == c.Status {
			c.LastTransitionTime = list[i].LastTransitionTime
		}
		list[i] = c
		return list
	}
	return append(list, c)
}

// FindCondition returns the condition of that type, or nil.
func FindCondition(list []Condition, conditionType string) *Condition {
	for i := range list {
		if list[i].Type == conditionType {
			return &list[i]
		}
	}
	return nil
}

// RemoveCondition returns the list without the condition of that type.
func RemoveCondition(list []Condition, conditionType string) []Condition {
	out := list[:0]
	for _, c := range list {
		if c.Type != conditionType {
			out = append(out, c)
		}
	}
	return out
}
