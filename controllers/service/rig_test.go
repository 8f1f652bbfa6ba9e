package service

import (
	"context"
	"fmt"
	"maps"
	"slices"
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
	wishes   map[string]v1.Assignment
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
		Desired: func(name string) v1.Assignment { return g.wishes[name] },
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
		Env:    map[string]string{"PORT": fmt.Sprint(port)},
		HTTP:   &v1.HTTP{Domain: name + ".example.com", InternalPort: port},
		Deploy: v1.Deploy{Strategy: v1.StrategyReplace},
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
	g.wishes = g.manifest.Assignments("biz")
}

// unlist takes everything out of the manifest without a word.
func (g *rig) unlist() {
	g.manifest.Services, g.manifest.Removed, g.wishes = nil, nil, nil
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

// overlap is a small web service whose releases overlap.
func (g *rig) overlap(name, release string, port int) v1.Service {
	s := g.web(name, release, port)
	s.Deploy.Strategy = ""
	g.Overlap[name] = true
	return s
}

const second = time.Second

func ctx() context.Context { return context.Background() }

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

// drive makes passes for a while of the host's time, whatever they say, as the engine
// would: it waits as long as it is told to, and a second after an error.
func (g *rig) drive(name string, d time.Duration) error {
	GinkgoHelper()
	var last error
	for end := g.Clock.Now().Add(d); g.Clock.Now().Before(end); {
		result, err := g.pass(name)
		wait := result.RequeueAfter
		switch {
		case err != nil:
			wait = second
		case wait == 0:
			wait = end.Sub(g.Clock.Now())
		}
		last = err
		g.Clock.Advance(wait)
	}
	return last
}

// anyRuns reports whether either slot has a process.
func (g *rig) anyRuns(name string) bool {
	return g.Unit(name, v1.Primary).Running() != "" || g.Unit(name, v1.Standby).Running() != ""
}

// picture is the host as far as it matters: two that look the same are the same. It has
// no times and no process ids.
func (g *rig) picture(names ...string) string {
	GinkgoHelper()
	before := g.AfterCall
	g.AfterCall = nil
	defer func() { g.AfterCall = before }()
	h := g.Host()
	var b strings.Builder
	for _, name := range names {
		f, err := h.Releases.Observe(context.Background(), name)
		Expect(err).NotTo(HaveOccurred())
		fmt.Fprintf(&b, "%s upstream=%s pointers=%v unfinished=%v\n", name, f.Upstream, f.Pointers, f.Unfinished)
		for _, instance := range slices.Sorted(maps.Keys(f.Staged)) {
			verdict := v1.VerdictResult("")
			if v := f.Staged[instance].Verdict; v != nil {
				verdict = v.Result
			}
			fmt.Fprintf(&b, "  staged %s %s\n", instance, verdict)
		}
		for _, slot := range []v1.Slot{v1.Primary, v1.Standby} {
			if u := g.Unit(name, slot); u != nil {
				fmt.Fprintf(&b, "  %s runs=%q\n", slot, u.Running())
			}
		}
		fmt.Fprintf(&b, "  route %v\n", g.Caddy.Routes[name])
	}
	fmt.Fprintf(&b, "roots %v\n", g.Nix.RootLinks)
	return b.String()
}

// reach takes the steps of web, one by one, until the next one is that step, and gives
// its Scope; the reconciler remembers as if it had taken them.
func (g *rig) reach(step string) *Scope {
	GinkgoHelper()
	m := g.r.memories.load("web")
	for range 500 {
		s, err := g.r.observe(context.Background(), "web", m)
		Expect(err).NotTo(HaveOccurred())
		next, about := Next(s)
		Expect(next).NotTo(BeNil(), "nothing is left, and %s never came", step)
		if next.Name() == step {
			g.r.memories.save("web", m)
			return about
		}
		result, err := next.Run(context.Background(), about)
		Expect(err).NotTo(HaveOccurred())
		g.Clock.Advance(result.RequeueAfter)
	}
	Fail("the step " + step + " never came")
	return nil
}

// again is the Scope after a step, about the same target.
func (g *rig) again(about *Scope) *Scope {
	GinkgoHelper()
	s, err := g.r.observe(context.Background(), about.Name, about.memory)
	Expect(err).NotTo(HaveOccurred())
	if about.Target == about.Keep {
		s.Target = s.Keep
	}
	return s
}

// events are the reasons of what was told of the service, oldest first.
func (g *rig) events(name string) []string {
	GinkgoHelper()
	all, err := g.Host().States.Events(context.Background(), name)
	Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, e := range all {
		out = append(out, e.Reason)
	}
	return out
}

// state is what was reported last.
func (g *rig) state(name string) v1.ServiceState {
	GinkgoHelper()
	Expect(g.states).To(HaveKey(name))
	return g.states[name]
}

// condition of a service, as it was reported.
func (g *rig) condition(name, kind string) v1.Condition {
	GinkgoHelper()
	c := v1.FindCondition(g.state(name).Conditions, kind)
	Expect(c).NotTo(BeNil(), "condition "+kind)
	return *c
}
