package fleet

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Judge says how far each service is on each host, by the manifest in the store and the
// reports of its hosts. A service narrows it down; empty is all.
func Judge(m *v1.Manifest, reports []Said, service string, now time.Time) View {
	v := View{
		APIVersion: v1.APIVersion, Kind: KindFleetState, Lineage: m.Lineage, Generation: m.Generation, At: now.UTC(),
		Hosts: []Host{}, Services: []Row{},
	}
	named := HostsOf(m, service)
	for _, r := range reports {
		v.Hosts = append(v.Hosts, hostOf(m, r, slices.Contains(named, r.Host), now))
		for i := range m.Services {
			if s := &m.Services[i]; s.RunsOn(r.Host) && (service == "" || s.Name == service) {
				v.Services = append(v.Services, rowOf(m, s, r, now))
			}
		}
		v.Services = append(v.Services, leftovers(m, r, service, now)...)
	}
	slices.SortFunc(v.Hosts, func(a, b Host) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(v.Services, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Host, b.Host))
	})
	return v
}

func hostOf(m *v1.Manifest, r Said, named bool, now time.Time) Host {
	h := Host{
		Name: r.Host, Named: named, Silent: r.Silent(now), ReportedAt: r.At,
		Daemon: r.State.Daemon, Generation: r.State.ObservedGeneration,
	}
	if _, h.Problem = unheard(m, r, now); h.Silent && !slices.Contains(HostsOf(m, ""), r.Host) {
		h.Problem = fmt.Sprintf("%s is silent, and the manifest wants nothing there: delete %s from the store if it is gone for good", r.Host, v1.ReportKey(r.Host))
	}
	return h
}

// unheard is why a report says nothing, or nothing about the manifest in the store.
func unheard(m *v1.Manifest, r Said, now time.Time) (reason, problem string) {
	switch {
	case errors.Is(r.Err, providers.ErrNotFound):
		return "NoReport", fmt.Sprintf("%s has never written a report to this store: see whether biz-deployer runs there, "+
			"has this store, may write %s, and is not told `report: false`", r.Host, v1.ReportKey(r.Host))
	case r.Err != nil:
		return providers.ReasonOf(r.Err), fmt.Sprintf("the report of %s cannot be read: %v", r.Host, r.Err)
	case r.Silent(now):
		return "HostSilent", fmt.Sprintf("%s has not reported for %s: see whether it is on and biz-deployer runs there; "+
			"it catches up when it is back", r.Host, age(now.Sub(r.At)))
	case r.State.Lineage != m.Lineage && r.State.Lineage != "":
		return "OtherLineage", fmt.Sprintf("%s obeys another manifest, of lineage %s: `deployerctl adopt` there, if this one is meant", r.Host, r.State.Lineage)
	}
	if c := v1.FindCondition(r.State.Conditions, "ManifestRead"); c != nil && c.Status == v1.False && r.State.ObservedGeneration < m.Generation {
		return c.Reason, fmt.Sprintf("%s obeys generation %d, not %d: %s", r.Host, r.State.ObservedGeneration, m.Generation, c.Message)
	}
	return "", ""
}

// rowOf judges a service that the manifest wants on the host.
func rowOf(m *v1.Manifest, s *v1.Service, r Said, now time.Time) Row {
	row := Row{Service: s.Name, Host: r.Host, Wanted: wantedOf(s)}
	st := r.Service(s.Name)
	if st != nil {
		row.take(*st)
	}
	reason, problem := unheard(m, r, now)
	switch {
	case reason != "":
		row.unheard(reason, problem)
	case r.State.ObservedGeneration < m.Generation, st == nil, st.ObservedGeneration < m.Generation:
		row.notLookedAt(m)
	default:
		row.Outcome = outcomeOf(row.Wanted, *st)
		row.Live = live(row.Wanted, *st)
	}
	return row
}

func wantedOf(s *v1.Service) v1.Target {
	if !s.HasRelease() {
		return v1.Target{}
	}
	return v1.Target{Revision: s.Release().Revision(), StorePath: s.Artifact.StorePath, Commit: s.Commit}
}

func (row *Row) take(st v1.ServiceState) {
	row.Serving, row.State, row.Sync, row.Health = st.Serving, st.State, st.Sync, st.Health
	row.Since, row.Reason, row.Message, row.Evidence = st.Since, st.Reason, st.Message, st.Evidence
}

// unheard: what the host said last says nothing about now.
func (row *Row) unheard(reason, problem string) {
	row.Unheard, row.Outcome, row.Reason, row.Message, row.Evidence = true, Unknown, reason, problem, nil
	if row.State != "" {
		row.Sync, row.Health = v1.SyncUnknown, v1.HealthUnknown
	}
}

// notLookedAt: the host will do something about it soon.
func (row *Row) notLookedAt(m *v1.Manifest) {
	row.Outcome, row.Reason = Going, "NotLookedAt"
	row.Message = fmt.Sprintf("%s has not looked at generation %d of it yet", row.Host, m.Generation)
	row.Evidence = nil // of what was before
}

// outcomeOf is for a state that is about the manifest as it is.
func outcomeOf(wanted v1.Target, st v1.ServiceState) Outcome {
	switch {
	case st.Sync == v1.SyncUnknown:
		return Unknown
	case st.State == v1.HeldState:
		return Paused
	case st.Desired.Revision != wanted.Revision:
		return Going
	case st.State == v1.Waiting && wanted.Revision == "":
		return AsWanted
	case st.State == v1.Stalled, st.Reason == HeldByFleet:
		return Failed
	case st.State == v1.Settled && (st.Health == v1.Failed || st.Health == v1.Degraded):
		return Failed
	case st.State == v1.Settled && st.Sync == v1.Synced && st.Health == v1.Healthy && st.Serving.Revision == wanted.Revision:
		return AsWanted
	}
	return Going
}

// live: the wanted release runs, and requests go to it.
func live(wanted v1.Target, st v1.ServiceState) bool {
	if wanted.Revision == "" || st.Serving.Revision != wanted.Revision || st.Desired.Revision != wanted.Revision {
		return false
	}
	if st.State == v1.Settled {
		return true
	}
	for _, kind := range []string{"Serving", "StandbyServing"} {
		if c := v1.FindCondition(st.Conditions, kind); c != nil && c.Status == v1.True {
			return true
		}
	}
	return false
}

// leftovers are services of a host that the manifest does not want there. A host that is
// named nowhere and silent was given away: what it said last is of no use.
func leftovers(m *v1.Manifest, r Said, service string, now time.Time) []Row {
	var rows []Row
	if r.Silent(now) && !slices.Contains(HostsOf(m, ""), r.Host) {
		return nil
	}
	for _, st := range r.State.Services {
		if s := m.Service(st.Name); s != nil && s.RunsOn(r.Host) || service != "" && st.Name != service {
			continue
		}
		row := Row{Service: st.Name, Host: r.Host}
		row.take(st)
		switch reason, problem := unheard(m, r, now); {
		case reason != "":
			row.unheard(reason, problem)
		case st.State == v1.Unlisted:
			row.Outcome = AsWanted
		case st.Sync == v1.SyncUnknown:
			row.Outcome = Unknown
		case st.ObservedGeneration < m.Generation:
			row.notLookedAt(m)
			row.Sync = v1.OutOfSync
		default:
			row.Outcome = Going
		}
		rows = append(rows, row)
	}
	return rows
}

// age is a span for a sentence.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
