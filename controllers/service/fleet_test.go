package service

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
)

// The other hosts may keep this one from starting a release.
var _ = Describe("a release that waits for other hosts", func() {
	var g *rig
	var old, next v1.Service
	var answer error
	var asked []string
	held := &providers.Fault{Reason: "HeldByFleet", Message: "it was bad on ava"}
	BeforeEach(func() {
		g = newRig()
		answer, asked = nil, nil
		g.r = New(Options{
			Host: g.Host(), HostName: "biz", Now: g.Clock.Now,
			Desired: func(name string) v1.Assignment { return g.wishes[name] },
			Report:  func(name string, s v1.ServiceState) { g.states[name] = s },
			Gone:    func(name string) { delete(g.states, name) },
			Fleet: func(_ context.Context, service, revision string) error {
				asked = append(asked, service+" "+revision)
				return answer
			},
		})
		old, next = g.overlap("web", "v1", 8080), g.overlap("web", "v2", 8080)
		g.write(old)
		g.settle("web")
		asked = nil
	})

	It("is not touched, what serves goes on, and that is no failure", func() {
		answer = held
		g.write(next)
		g.ForgetCalls()
		result, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(BeZero())
		Expect(g.changes()).To(BeEmpty())
		st := g.state("web")
		Expect(st).To(And(
			HaveField("State", v1.Waiting), HaveField("Sync", v1.OutOfSync), HaveField("Health", v1.Healthy),
			HaveField("Reason", "HeldByFleet"), HaveField("Message", "it was bad on ava"),
			HaveField("Desired.StorePath", next.Artifact.StorePath), HaveField("Serving.StorePath", old.Artifact.StorePath)))
		Expect(g.condition("web", v1.Ready).Status).To(Equal(v1.False))
		Expect(asked).To(Equal([]string{"web " + next.Release().Revision()}))
	})

	It("leaves what serves in good care", func() {
		answer = held
		g.write(next)
		g.settle("web")
		g.StopByHand("web", v1.Primary)
		g.settle("web")
		Expect(g.Unit("web", v1.Primary).Running()).To(HavePrefix(old.Release().Revision()))
		Expect(g.state("web").State).To(Equal(v1.Waiting))
		Expect(g.state("web").Health).To(Equal(v1.Healthy))
	})

	It("begins as soon as it may", func() {
		answer = held
		g.write(next)
		g.settle("web")
		answer = nil
		g.settle("web")
		g.expectServing("web", next)
	})

	It("does not delay what the host has already: nobody is asked about it", func() {
		g.write(next)
		g.settle("web")
		answer, asked = held, nil
		g.write(old)
		g.settle("web")
		g.expectServing("web", old)
		Expect(asked).To(BeEmpty())
	})

	It("is this host's own business once it has begun, also when it is tried again", func() {
		g.Programs[next.Artifact.StorePath] = fake.Program{ExitsAfter: second, Status: 4}
		g.write(next)
		_ = g.drive("web", 30*second)
		Expect(g.state("web").Reason).To(Equal("RolledBack"))
		answer, asked = held, nil
		delete(g.Programs, next.Artifact.StorePath)
		Expect(g.Host().Releases.Pardon(ctx(), "web", g.state("web").Desired.Instance)).To(Succeed())
		g.settle("web")
		g.expectServing("web", next)
		Expect(asked).To(BeEmpty())
	})

	It("is stopped by what others find out while it is still being pulled", func() {
		g.write(next)
		after := g.AfterCall
		g.AfterCall = func(call string) {
			after(call)
			if answer == nil && len(g.Nix.RootLinks) > 1 {
				answer = held
			}
		}
		g.settle("web")
		Expect(g.state("web").Reason).To(Equal("HeldByFleet"))
		Expect(g.state("web").Serving.StorePath).To(Equal(old.Artifact.StorePath))
	})

	It("waits also where nothing of the service runs yet", func() {
		answer = held
		g.write(old, g.web("api", "v1", 8081))
		g.settle("api")
		Expect(g.state("api")).To(And(
			HaveField("State", v1.Waiting), HaveField("Sync", v1.OutOfSync), HaveField("Health", v1.HealthUnknown), HaveField("Reason", "HeldByFleet")))
		Expect(g.anyRuns("api")).To(BeFalse())
	})

	It("can be given up", func() {
		answer = held
		g.write(next)
		g.settle("web")
		g.write()
		g.settle("web")
		Expect(g.states).NotTo(HaveKey("web"))
	})
})
