package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// The reasons for which a host leaves a release alone because of another host.
const (
	// HeldByFleet: another host judged it bad.
	HeldByFleet = "HeldByFleet"
	// WaitsForCanary: a host before this one in deploy.order has not soaked it yet.
	WaitsForCanary = "WaitsForCanary"
)

// GiveUpAfter is how long a canary may be silent before the hosts after it go on without
// it: a machine that burnt down must not keep the others from a fix for ever.
const GiveUpAfter = 10 * time.Minute

// Question is whether a host may start a revision that it has never started.
type Question struct {
	// Host asks; Service is the manifest's entry, Revision the one that it wants.
	Host     string
	Service  *v1.Service
	Revision string
	Lineage  string
	// WaitsSince is when the host asked for the first time.
	WaitsSince time.Time
	Now        time.Time
}

// Admit answers by the reports of the hosts that share the service: nil is "go on". A
// release that was bad anywhere is tried nowhere else; in an order, each host waits for
// those before it.
//
// What is not known stops nobody, but for the canary's word, which is worth a wait: as long
// as it says something else, and for GiveUpAfter while it says nothing.
func Admit(q Question, reports []Said) error {
	for _, r := range reports {
		if v := badOn(r, q); v != nil {
			return &providers.Fault{Reason: HeldByFleet, Message: fmt.Sprintf(
				"%s was bad on %s (%s: %s), so it is not started here; push a fix, or `deploy-manifest retry %s` tries it again everywhere",
				q.Revision, r.Host, v.Reason, clause(v.Message), q.Service.Name)}
		}
	}
	for _, host := range before(q) {
		if why := q.missing(host, reports); why != "" {
			return &providers.Fault{Reason: WaitsForCanary, Message: fmt.Sprintf(
				"%s waits until it has soaked on %s, which comes first in deploy.order; %s", q.Revision, host, why)}
		}
	}
	return nil
}

// badOn is the verdict of a host on the revision, when it counts elsewhere. One on an
// instance whose revision was good there with other secrets came from that host's own
// secrets, and is nobody else's business.
func badOn(r Said, q Question) *v1.Verdict {
	if r.Host == q.Host {
		return nil
	}
	return badVerdict(r, q.Lineage, q.Service.Name, q.Revision)
}

func badVerdict(r Said, lineage, service, revision string) *v1.Verdict {
	st := r.Service(service)
	if st == nil || r.State.Lineage != lineage || soakedOn(*st, revision) {
		return nil
	}
	for i, v := range st.Verdicts {
		if v.Result == v1.VerdictBad && isOf(v, revision) {
			return &st.Verdicts[i]
		}
	}
	return nil
}

// BadOn names the hosts whose verdict on the revision counts elsewhere, as Admit has it.
func BadOn(reports []Said, lineage, service, revision string) []string {
	var hosts []string
	for _, r := range reports {
		if badVerdict(r, lineage, service, revision) != nil {
			hosts = append(hosts, r.Host)
		}
	}
	return hosts
}

func soakedOn(st v1.ServiceState, revision string) bool {
	return slices.ContainsFunc(st.Verdicts, func(v v1.Verdict) bool {
		return v.Result == v1.VerdictSoaked && isOf(v, revision)
	})
}

// isOf: the verdict is on an instance of the revision.
func isOf(v v1.Verdict, revision string) bool {
	of, _, _ := strings.Cut(v.Instance, "-")
	return of == revision
}

// before are the hosts of the service that come before this one: those of the order that
// stand before it there, or all of them when it is not in it.
func before(q Question) []string {
	order := q.Service.Deploy.Order
	if i := slices.Index(order, q.Host); i >= 0 {
		order = order[:i]
	}
	var hosts []string
	for _, host := range order {
		if host != q.Host && q.Service.RunsOn(host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// missing says what the word of a canary lacks; empty when it is enough, or is not waited
// for any longer.
func (q Question) missing(host string, reports []Said) string {
	i := slices.IndexFunc(reports, func(r Said) bool { return r.Host == host })
	if i < 0 {
		return "" // not read: there are more hosts than anybody reads
	}
	r := reports[i]
	if st := r.Service(q.Service.Name); st != nil && r.State.Lineage == q.Lineage {
		if soakedOn(*st, q.Revision) {
			return ""
		}
		if !r.Silent(q.Now) {
			return "there it is " + doing(*st, q.Revision)
		}
	} else if !r.Silent(q.Now) {
		return "there nobody has looked at it yet"
	}
	return q.silence(r)
}

// silence is for a canary that says nothing.
func (q Question) silence(r Said) string {
	since := r.At
	if since.IsZero() {
		since = q.WaitsSince
	}
	// Its clock and the store's may be wrong; that it said nothing while we waited is sure.
	const sure = 2 * time.Minute
	if q.Now.Sub(since) >= GiveUpAfter && q.Now.Sub(q.WaitsSince) >= sure {
		return ""
	}
	text := fmt.Sprintf("it is silent: its last report is %s old", age(q.Now.Sub(r.At)))
	switch {
	case errors.Is(r.Err, providers.ErrNotFound):
		text = "it is silent: it has never written a report"
	case r.Err != nil:
		text = "its report cannot be read: " + r.Err.Error()
	}
	return fmt.Sprintf("%s; after %s of silence this host goes on without it", text, age(GiveUpAfter))
}

// doing is what a canary does with the revision.
func doing(st v1.ServiceState, revision string) string {
	switch {
	case st.Desired.Revision != revision:
		return "not begun yet"
	case st.State == v1.HeldState:
		return "held: " + clause(st.Message)
	case st.Message != "":
		return fmt.Sprintf("%s (%s: %s)", st.State, st.Reason, clause(st.Message))
	}
	return string(st.State)
}

// clause is the first part of a message: what is to be done about it is told on its host.
func clause(message string) string {
	what, _, _ := strings.Cut(message, ";")
	return what
}
