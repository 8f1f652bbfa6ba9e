package service

import (
	"context"
	"errors"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers/fake"
	"deployer/reconcile"
)

var _ = Describe("status", func() {
	var g *rig
	BeforeEach(func() { g = newRig() })

	It("is reported only when it changed", func() {
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		g.reports = 0
		for range 5 {
			g.settle("web")
		}
		Expect(g.reports).To(BeZero())
	})

	It("is not written anew at each look at a program that is slow to start", func() {
		s := g.web("web", "v1", 8080)
		g.Programs[s.Artifact.StorePath] = fake.Program{StartsAfter: 20 * second}
		g.write(s)
		_, _ = g.pass("web")
		_ = g.drive("web", second)
		g.reports = 0
		_ = g.drive("web", 15*second)
		Expect(g.reports).To(BeZero())
	})

	It("keeps quiet about services of other hosts, also when this host cannot be seen", func() {
		s := g.web("web", "v1", 8080)
		s.Hosts = []string{"ava"}
		g.write(s)
		g.settle("web")
		g.Fail("units.Observe", errWorld)
		_, _ = g.pass("web")
		Expect(g.states).To(BeEmpty())
		Expect(g.reports).To(BeZero())
	})

	It("still shows a removal whose host cannot be seen after a restart of the daemon", func() {
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		g.write()
		g.restart()
		g.states = map[string]v1.ServiceState{}
		g.Fail("units.Observe", errWorld)
		_, _ = g.pass("web")
		Expect(g.state("web").State).To(Equal(v1.Removing))
		Expect(g.state("web").Sync).To(Equal(v1.SyncUnknown))
	})

	It("calls unknown what cannot be seen, once, and knows it again afterwards", func() {
		web := g.web("web", "v1", 8080)
		g.write(web)
		g.settle("web")
		g.Fail("units.Observe", errWorld)
		g.reports = 0
		_ = g.drive("web", 10*second)
		Expect(g.reports).To(Equal(1))
		st := g.state("web")
		Expect(st.Sync).To(Equal(v1.SyncUnknown))
		Expect(st.Health).To(Equal(v1.HealthUnknown))
		Expect(st.Serving.StorePath).To(Equal(web.Artifact.StorePath), "the last that was seen")
		g.Heal("")
		g.settle("web")
		g.expectServing("web", web)
	})

	It("does not call a route done while Caddy is down, and its health unknown while it cannot be asked", func() {
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		g.Caddy.Down = true
		_, err := g.pass("web")
		Expect(err).To(HaveOccurred())
		Expect(g.condition("web", "Routed").Status).To(Equal(v1.Unknown))
		Expect(g.condition("web", "Routed").Reason).To(Equal("CaddyUnreachable"))
		g.Caddy.Down = false
		g.Fail("prober.Probe", errWorld)
		_, err = g.pass("web")
		Expect(err).To(MatchError(errWorld))
		Expect(g.state("web").State).To(Equal(v1.Settled))
		Expect(g.state("web").Health).To(Equal(v1.HealthUnknown))
		Expect(g.condition("web", "Healthy").Status).To(Equal(v1.Unknown))
	})

	It("keeps its evidence when the journal cannot be read", func() {
		s := g.web("web", "v1", 8080)
		g.Programs[s.Artifact.StorePath] = fake.Program{ExitsAfter: 1, Status: 4}
		g.write(s)
		g.Fail("units.Journal", errWorld)
		_ = g.drive("web", 5*second)
		Expect(*g.state("web").Evidence.ExitStatus).To(Equal(4))
		Expect(g.state("web").Evidence.Log).To(ConsistOf(ContainSubstring(errWorld.Error())))
	})

	It("keeps the time of a condition until its status changes, and has none of another plan", func() {
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		since := g.condition("web", "Rooted").LastTransitionTime
		g.Clock.Advance(3600 * second)
		g.write(g.web("web", "v1", 8080)) // only the generation
		g.settle("web")
		Expect(g.condition("web", "Rooted").LastTransitionTime).To(Equal(since))
		Expect(g.condition("web", "Rooted").ObservedGeneration).To(Equal(g.manifest.Generation))
		Expect(v1.FindCondition(g.state("web").Conditions, v1.Reconciling)).To(BeNil())
		g.write()
		g.Fail("units.Stop", errWorld)
		_, _ = g.pass("web")
		Expect(v1.FindCondition(g.state("web").Conditions, "Rooted")).To(BeNil())
		Expect(g.condition("web", "Stopped").Status).To(Equal(v1.False))
		Expect(g.condition("web", v1.Reconciling).Status).To(Equal(v1.True))
	})

	It("tells of a new release before the pull, which may take minutes", func() {
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		Expect(g.state("web").State).To(Equal(v1.Settled))
		next := g.web("web", "v2", 8080)
		g.write(next)
		var pulling v1.ServiceState
		after := g.AfterCall
		g.AfterCall = func(call string) {
			after(call)
			if strings.Contains(call, "closures.Pull") {
				pulling = g.states["web"]
			}
		}
		g.settle("web")
		Expect(pulling.State).To(Equal(v1.Rolling))
		Expect(pulling.Sync).To(Equal(v1.OutOfSync))
		Expect(pulling.Desired.StorePath).To(Equal(next.Artifact.StorePath))
		Expect(pulling.Serving.StorePath).NotTo(Equal(next.Artifact.StorePath))
	})

	It("says nothing of a pass that was cut off because the daemon stops", func() {
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		g.reports = 0
		ctx, stop := context.WithCancelCause(context.Background())
		stop(reconcile.ErrDrainTimeout)
		_, err := g.r.Reconcile(ctx, "web")
		Expect(err).To(MatchError(context.Canceled))
		Expect(g.reports).To(BeZero())
	})
})

var _ = Describe("events", func() {
	It("tell a rollout, a heal and a removal, each transition once", func() {
		g := newRig()
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		Expect(g.events("web")).To(Equal([]string{
			"Rolling", "Rooting", "Pulling", "Staging", "Routing", "Installing", "Starting", "AwaitingHealth",
			"Shifting", "Soaking", "Settled",
		}))
		for range 3 {
			g.settle("web")
		}
		g.StopByHand("web", v1.Primary)
		g.settle("web")
		g.write()
		g.settle("web")
		Expect(g.events("web")[11:]).To(Equal([]string{
			"Starting", "Healed", "Unrouting", "Stopping", "Uninstalling", "Unrooting", "Forgetting", "Removed",
		}))
	})

	It("tell the steps of a third release although the second never settled", func() {
		g := newRig()
		for _, release := range []string{"v1", "v2"} {
			s := g.web("web", release, 8080)
			delete(g.Nix.Cache, s.Artifact.StorePath)
			g.write(s)
			_ = g.drive("web", 5*second)
		}
		Expect(g.events("web")).To(Equal([]string{
			"Rolling", "Rooting", "Pulling", "ClosureMissing", "Rooting", "Pulling", "ClosureMissing",
		}))
	})

	It("that cannot be written stop nothing", func() {
		g := newRig()
		g.Fail("states.Record", errors.New("no space left on device"))
		web := g.web("web", "v1", 8080)
		g.write(web)
		g.settle("web")
		g.expectServing("web", web)
	})
})

var _ = Describe("a plan", func() {
	It("may be asked for while passes run", func() {
		g := newRig()
		g.AfterCall = nil
		g.write(g.web("web", "v1", 8080))
		var asking sync.WaitGroup
		asking.Go(func() {
			for range 200 {
				_, err := g.r.Plan(context.Background(), "web")
				Expect(err).NotTo(HaveOccurred())
			}
		})
		for range 200 {
			result, err := g.r.Reconcile(context.Background(), "web")
			Expect(err).NotTo(HaveOccurred())
			g.Clock.Advance(result.RequeueAfter)
		}
		asking.Wait()
	})

	It("of a name that nobody knows leaves nothing behind", func() {
		g := newRig()
		_, err := g.r.Plan(context.Background(), "nobody")
		Expect(err).NotTo(HaveOccurred())
		Expect(g.r.memories.all).To(BeEmpty())
	})
})
