package fleet

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

func TestFleet(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "controllers/fleet")
}

var now = time.Date(2026, 12, 16, 3, 30, 0, 0, time.UTC) //nolint:gochecknoglobals // a moment, for all specs

const path = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-1"

// manifestOf is generation 7, with web on these hosts.
func manifestOf(hosts ...string) *v1.Manifest {
	return &v1.Manifest{Version: 1, Lineage: "l", Generation: 7, Services: []v1.Service{{
		Name: "web", Hosts: hosts, Artifact: &v1.Artifact{StorePath: path}, Commit: "c1",
	}}}
}

func revisionOf(m *v1.Manifest) string { return m.Services[0].Release().Revision() }

// settled is web on its release, judged good.
func settled(m *v1.Manifest) v1.ServiceState {
	t := v1.Target{Revision: revisionOf(m), Instance: revisionOf(m) + "-a", StorePath: path}
	return v1.ServiceState{
		Name: "web", State: v1.Settled, Sync: v1.Synced, Health: v1.Healthy, ObservedGeneration: 7,
		Desired: t, Serving: t, Reason: "AsWanted", Since: now.Add(-time.Hour),
		Verdicts: []v1.Verdict{{Instance: t.Instance, Result: v1.VerdictSoaked}},
	}
}

// saying is a fresh report.
func saying(host string, services ...v1.ServiceState) Said {
	return Said{Host: host, At: now.Add(-10 * time.Second), State: v1.HostState{
		Host: host, Daemon: "v1", Lineage: "l", ObservedGeneration: 7, Services: services,
	}}
}

func never(host string) Said { return Said{Host: host, Err: providers.ErrNotFound} }

func old(r Said, by time.Duration) Said {
	r.At = now.Add(-by)
	return r
}

// but is a copy with changes.
func but(s v1.ServiceState, changes ...func(*v1.ServiceState)) v1.ServiceState {
	for _, change := range changes {
		change(&s)
	}
	return s
}
