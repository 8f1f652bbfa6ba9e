package service

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers/fake"
	"deployer/reconcile"
)

// rig is a reconciler on the fake host, with the manifest of a test.
type rig struct {
	*fake.World
	r        *Reconciler
	manifest v1.Manifest
	states   map[string]v1.ServiceState
	reports  int
}

// newRig asserts the invariants of the world after every call.
func newRig() *rig {
	g := &rig{World: fake.New(), states: map[string]v1.ServiceState{}}
	g.manifest = v1.Manifest{Version: 1, Lineage: "test", Generation: 1}
	g.AfterCall = func(call string) {
		if broken := fake.CheckInvariants(g.World); len(broken) > 0 {
			Fail(call + " broke an invariant:\n" + strings.Join(broken, "\n"))
		}
	}
	g.restart()
	return g
}

// restart is a new daemon on the same host.
func (g *rig) restart() {
	g.r = New(Options{
		Host: g.Host(), HostName: "biz", Now: g.Clock.Now,
		Desired: func(name string) v1.Assignment { return g.manifest.Assignments("biz")[name] },
		Report: func(name string, s v1.ServiceState) {
			g.states[name] = s
			g.reports++
		},
		Gone: func(name string) { delete(g.states, name) },
	})
}

// path is a store path that the cache has.
func (g *rig) path(name string) string {
	p := "/nix/store/" + strings.Repeat("0", 32-len(name)) + strings.NewReplacer("e", "3", "o", "0", "u", "v", "t", "7").Replace(name) + "-" + name
	g.Publish(p)
	return p
}

// web is a small web service on a port.
func (g *rig) web(name, release string, port int) v1.Service {
	return v1.Service{
		Name: name, Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: g.path(release)},
		Env:  map[string]string{"PORT": fmt.Sprint(port)},
		HTTP: &v1.HTTP{Domain: name + ".example.com", InternalPort: port},
	}
}

// write puts services into the next generation; those that were there before and are not
// given are removed.
func (g *rig) write(services ...v1.Service) {
	before := g.manifest.Services
	g.manifest.Generation++
	g.manifest.Services, g.manifest.Removed = services, nil
	for _, s := range before {
		if g.manifest.Service(s.Name) == nil {
			g.manifest.Removed = append(g.manifest.Removed, v1.Removal{Name: s.Name, Generation: g.manifest.Generation})
		}
	}
}

// pass is one pass.
func (g *rig) pass(name string) (reconcile.Result, error) {
	g.BeginPass()
	return g.r.Reconcile(context.Background(), name)
}

// settle makes passes, and lets the time between them go by, until nothing is left.
func (g *rig) settle(name string) {
	GinkgoHelper()
	for range 500 {
		result, err := g.pass(name)
		Expect(err).NotTo(HaveOccurred())
		if result.RequeueAfter == 0 {
			return
		}
		g.Clock.Advance(result.RequeueAfter)
	}
	Fail("the service did not settle: " + g.states[name].Message)
}

// expectServing asserts that the release answers, and that status says so.
func (g *rig) expectServing(name string, s v1.Service) {
	GinkgoHelper()
	st := g.states[name]
	Expect(st.State).To(Equal(v1.Settled), st.Message)
	Expect(st.Sync).To(Equal(v1.Synced))
	Expect(st.Health).To(Equal(v1.Healthy))
	Expect(st.Serving.StorePath).To(Equal(s.Artifact.StorePath))
	Expect(v1.FindCondition(st.Conditions, v1.Ready).Status).To(Equal(v1.True))
}

const second = time.Second

// changes are the effects on the host; events are only the telling of them.
func (g *rig) changes() []string {
	var out []string
	for _, call := range g.Effects() {
		if !strings.HasPrefix(call, "states.") {
			out = append(out, call)
		}
	}
	return out
}

// stepsInto notes each step once, also one that had to wait several times.
func stepsInto(done *[]string) func(string, time.Duration, error) {
	return func(step string, _ time.Duration, _ error) {
		if n := len(*done); n == 0 || (*done)[n-1] != step {
			*done = append(*done, step)
		}
	}
}
