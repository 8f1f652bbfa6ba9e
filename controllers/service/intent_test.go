package service

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
	"deployer/reconcile"
)

var _ = Describe("secrets", func() {
	var g *rig
	var web v1.Service
	BeforeEach(func() {
		g = newRig()
		g.SecretsFiles[secretsPath] = secretsFile("TOKEN=first-canary\n")
		web = withSecrets(g.web("web", "v1", 8080))
		g.write(web)
		g.settle("web")
	})

	It("that change make a new instance, which is rolled out and soaks", func() {
		old := g.state("web").Serving.Instance
		g.SecretsFiles[secretsPath] = secretsFile("TOKEN=second-canary\n")
		g.settle("web")
		g.expectServing("web", web)
		Expect(g.state("web").Serving.Instance).NotTo(Equal(old))
		Expect(g.state("web").Verdicts).To(HaveLen(2))
	})

	It("of many kinds share the root of their revision, which no pruning takes", func() {
		for _, n := range []string{"2", "3", "4", "5", "6"} {
			g.SecretsFiles[secretsPath] = secretsFile("TOKEN=" + n)
			g.settle("web")
		}
		Expect(g.Nix.RootLinks).To(HaveLen(1))
		Expect(g.state("web").Verdicts).To(HaveLen(3))
		g.CollectGarbage()
		g.settle("web")
		g.expectServing("web", web)
	})

	DescribeTable("that may not be used leave the old instance running, and are told",
		func(f fake.SecretsFile, reason string) {
			g.SecretsFiles[secretsPath] = f
			g.ForgetCalls()
			_, err := g.pass("web")
			Expect(providers.ReasonOf(err)).To(Equal(reason))
			st := g.state("web")
			Expect(st.State).To(Equal(v1.Stalled))
			Expect(st.Sync).To(Equal(v1.OutOfSync))
			Expect(st.Health).To(Equal(v1.Healthy))
			Expect(g.changes()).To(BeEmpty())
			g.StopByHand("web", v1.Primary)
			_ = g.drive("web", 5*second)
			Expect(g.state("web").Health).To(Equal(v1.Healthy), "what ran is healed all the same")
		},
		Entry("open to others", fake.SecretsFile{Content: "A=b", Mode: 0o644}, "SecretsExposed"),
		Entry("somebody else's", fake.SecretsFile{Content: "A=b", UID: 1000}, "SecretsWrongOwner"),
		Entry("a symlink", fake.SecretsFile{Symlink: true}, "SecretsSymlink"),
	)

	It("are found in no state and no event, also when the program prints them", func() {
		v2 := withSecrets(g.web("web", "v2", 8080))
		g.Programs[v2.Artifact.StorePath] = fake.Program{ExitsAfter: 1, Status: 1, Log: []string{"dying with TOKEN=first-canary, bye"}}
		g.write(v2)
		_ = g.drive("web", 5*second)
		Expect(g.state("web").Evidence.Log).To(ContainElement("dying with TOKEN=[redacted], bye"))
		events, err := g.Host().States.Events(context.Background(), "web")
		Expect(err).NotTo(HaveOccurred())
		for _, e := range events {
			Expect(e.Message).NotTo(ContainSubstring("canary"))
		}
	})
})

var _ = Describe("what people want", func() {
	var g *rig
	BeforeEach(func() { g = newRig() })

	It("goes back to a release that is still here without a pull, and starts it once", func() {
		old := g.web("web", "v1", 8080)
		g.write(old)
		g.settle("web")
		g.write(g.web("web", "v2", 8080))
		g.settle("web")
		clear(g.Nix.Cache)
		g.ForgetCalls()
		g.write(old)
		_, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(methods(g.changes())).To(Equal([]string{"releases.Point", "units.Install", "units.Start", "releases.Judge"}),
			"it is the last good one from now on")
		g.expectServing("web", old)
		g.ForgetCalls()
		g.settle("web")
		Expect(g.changes()).To(BeEmpty())
	})

	It("is paused by a hold: nothing is changed, started or removed, and it goes on after", func() {
		web := g.web("web", "v1", 8080)
		g.write(web)
		g.settle("web")
		until := g.Clock.Now().Add(time.Hour)
		next := g.web("web", "v2", 8080)
		next.Hold = &v1.Hold{Until: &until, Owner: "ann@laptop", Reason: "load test"}
		g.write(next)
		g.StopByHand("web", v1.Primary)
		g.ForgetCalls()
		_, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(g.changes()).To(BeEmpty())
		st := g.state("web")
		Expect(st.State).To(Equal(v1.HeldState))
		Expect(st.Sync).To(Equal(v1.Held))
		Expect(st.Health).To(Equal(v1.Failed), "it is held, and it is down: both are said")
		Expect(st.Message).To(ContainSubstring("ann@laptop"))
		moved := next
		moved.Hosts = []string{"ava"}
		g.write(moved)
		_, err = g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(g.changes()).To(BeEmpty(), "also its move is paused")
		g.write(next)
		g.Clock.Advance(time.Hour)
		g.settle("web")
		g.expectServing("web", next)
	})

	It("is no release yet: what ran before runs on, healed, and status says both", func() {
		web := g.web("web", "v1", 8080)
		g.write(web)
		g.settle("web")
		waiting := web
		waiting.Artifact = &v1.Artifact{StorePath: v1.PlaceholderPath}
		g.write(waiting)
		g.StopByHand("web", v1.Primary)
		g.settle("web")
		st := g.state("web")
		Expect(st.State).To(Equal(v1.Waiting))
		Expect(st.Health).To(Equal(v1.Healthy))
		Expect(st.Serving.StorePath).To(Equal(web.Artifact.StorePath))
		Expect(st.Message).To(ContainSubstring("runs on"))
	})

	It("is no release yet, and a secrets file that is still to be written: it waits, and says so", func() {
		g.write(withSecrets(v1.Service{Name: "web", Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: v1.PlaceholderPath}}))
		_, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(g.state("web").State).To(Equal(v1.Waiting))
		Expect(g.state("web").Message).To(And(ContainSubstring("deploy-push web"), ContainSubstring(secretsPath)))
	})

	It("is another NAR than the cache has: terminal, with the old one running and cared for", func() {
		web := g.web("web", "v1", 8080)
		g.write(web)
		g.settle("web")
		next := g.web("web", "v2", 8080)
		next.Artifact.NarHash = "sha256:" + strings.Repeat("0", 52)
		g.write(next)
		_, err := g.pass("web")
		Expect(reconcile.IsTerminal(err)).To(BeTrue())
		st := g.state("web")
		Expect(st.State).To(Equal(v1.Stalled))
		Expect(st.Reason).To(Equal("NarHashMismatch"))
		Expect(st.Health).To(Equal(v1.Healthy))
		g.ForgetCalls()
		_, _ = g.pass("web")
		Expect(g.changes()).To(BeEmpty(), "it is not pulled again and again")

		g.StopByHand("web", v1.Primary)
		g.Fail("units.Start", errWorld)
		result, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred(), "an error that is terminal must not keep the other from another try")
		Expect(result.RequeueAfter).To(BeNumerically(">", 0))
		Expect(g.state("web").Message).To(And(ContainSubstring("NAR hash"), ContainSubstring(errWorld.Error())))
		g.Heal("")
		_, _ = g.pass("web")
		Expect(g.state("web").Health).To(Equal(v1.Healthy))
	})

	It("brings the same name back after it was removed, as if it were new", func() {
		web := g.web("web", "v1", 8080)
		g.write(web)
		g.settle("web")
		g.write()
		g.settle("web")
		Expect(g.states).NotTo(HaveKey("web"))
		Expect(g.picture("web")).To(Equal(newRig().picture("web")))
		g.write(web)
		g.settle("web")
		g.expectServing("web", web)
	})

	It("removes what carries the service's name, and nothing of one whose name begins like it", func() {
		web, api := g.web("web", "v1", 8080), g.web("web-api", "a1", 8081)
		g.write(web, api)
		g.settle("web")
		g.settle("web-api")
		g.write(api)
		g.settle("web")
		Expect(g.Nix.RootLinks).To(HaveLen(1))
		g.settle("web-api")
		g.expectServing("web-api", api)
	})
})

var _ = Describe("other people's units", func() {
	It("are no concern of a service that runs on another host, or is removed", func() {
		g := newRig()
		g.AddForeignUnit("caddy")
		elsewhere := g.web("caddy", "v1", 8080)
		elsewhere.Hosts = []string{"ava"}
		g.write(elsewhere)
		_, err := g.pass("caddy")
		Expect(err).NotTo(HaveOccurred())
		g.write()
		_, err = g.pass("caddy")
		Expect(err).NotTo(HaveOccurred())
		Expect(g.states).To(BeEmpty())
		Expect(g.changes()).To(BeEmpty())
	})

	It("are not shown as ours, nor as healthy", func() {
		g := newRig()
		g.AddForeignUnit("caddy")
		g.write(g.web("caddy", "v1", 8080))
		_, _ = g.pass("caddy")
		Expect(g.state("caddy").Slots).To(BeEmpty())
		Expect(g.state("caddy").Health).To(Equal(v1.HealthUnknown))
	})
})
