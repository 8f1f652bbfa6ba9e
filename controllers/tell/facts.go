package tell

import (
	"slices"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Facts are all that a host knows of a service and of how it came to be so.
type Facts struct {
	Service  string `json:"service"`
	Host     string `json:"host"`
	Manifest Head   `json:"manifest"`
	// State is the last report; nil when the host reports nothing of the service.
	State *v1.ServiceState `json:"state,omitempty"`
	// HostHold is a hold that was set on the host, and counts. The one of the manifest is in
	// State.
	HostHold *v1.Hold `json:"hostHold,omitempty"`
	// Verdicts on the instances that still have a release directory, newest first.
	Verdicts []v1.Verdict `json:"verdicts,omitempty"`
	// Deployments, newest first, and Events, oldest first.
	Deployments []v1.Deployment `json:"deployments,omitempty"`
	Events      []v1.Event      `json:"events,omitempty"`
	// WrittenAt is when the daemon wrote the State, when it was not asked now: because it does
	// not run (Down), or because it is not for who asks.
	WrittenAt time.Time `json:"writtenAt,omitzero"`
	Down      bool      `json:"daemonDown,omitempty"`
	// Missing says what could not be read.
	Missing []string `json:"missing,omitempty"`
}

// Head is the manifest in force, without its services.
type Head struct {
	Store      string    `json:"store,omitempty"`
	Generation int64     `json:"generation,omitempty"`
	UpdatedAt  time.Time `json:"updatedAt,omitzero"`
	UpdatedBy  string    `json:"updatedBy,omitempty"`
	Message    string    `json:"message,omitempty"`
	// StaleSince is set while the store does not answer or has something that is not obeyed,
	// and Problem says which.
	StaleSince *time.Time `json:"staleSince,omitempty"`
	Problem    string     `json:"problem,omitempty"`
	// Removal is that of the service, when the manifest lists one.
	Removal *v1.Removal `json:"removal,omitempty"`
}

// HeadOf takes it from what the host reports, and from the manifest where that is at hand.
func HeadOf(host v1.HostState, m *v1.Manifest, service string) Head {
	h := Head{
		Store: host.Manifest.Store, Generation: host.ObservedGeneration, UpdatedAt: host.Manifest.UpdatedAt,
		UpdatedBy: host.Manifest.UpdatedBy, StaleSince: host.Manifest.StaleSince,
	}
	if c := v1.FindCondition(host.Conditions, "ManifestRead"); c != nil {
		h.Problem = c.Message
	}
	if m == nil || m.Generation != h.Generation {
		return h
	}
	h.Message = m.Message
	if i := slices.IndexFunc(m.Removed, func(r v1.Removal) bool { return r.Name == service }); i >= 0 {
		h.Removal = &m.Removed[i]
	}
	return h
}

// Verdicts are those on staged releases, newest first.
func Verdicts(staged map[string]providers.StagedRelease) []v1.Verdict {
	var out []v1.Verdict
	for _, r := range staged {
		if r.Verdict != nil {
			out = append(out, *r.Verdict)
		}
	}
	slices.SortFunc(out, func(a, b v1.Verdict) int { return b.At.Compare(a.At) })
	return out
}
