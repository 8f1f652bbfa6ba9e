package controllers_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("retry", func() {
	var g *rig
	BeforeEach(func(ctx SpecContext) { g = newRig(ctx) })
	verdict := func(ctx context.Context, instance string) *v1.Verdict {
		GinkgoHelper()
		facts, err := g.Host().Releases.Observe(ctx, "web")
		Expect(err).NotTo(HaveOccurred())
		return facts.Staged[instance].Verdict
	}

	It("takes the bad verdict back, asks for a pass, and remembers who wanted it", func(ctx SpecContext) {
		g.web(ctx)
		bad := g.judge(ctx, v1.VerdictBad)
		before := g.queued()
		got, err := g.Retry(ctx, "web", "ann@biz")
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(And(HaveField("Instance", bad), HaveField("Reason", "Exited")))
		Expect(verdict(ctx, bad)).To(BeNil())
		Expect(g.queued()).To(Equal(before + 1))
		Expect(g.events(ctx)).To(ContainElement("Retried: ann@biz asked for another try of " + bad))
	})

	It("leaves the verdicts on other instances: those of other secrets", func(ctx SpecContext) {
		g.web(ctx)
		other := g.judge(ctx, v1.VerdictBad)
		g.SecretsFiles[secretsPath] = fake.SecretsFile{Content: "TOKEN=two", Mode: 0o600}
		_, err := g.Retry(ctx, "web", "ann@biz")
		Expect(providers.ReasonOf(err)).To(Equal("NothingToRetry"))
		bad := g.judge(ctx, v1.VerdictBad)
		_, err = g.Retry(ctx, "web", "ann@biz")
		Expect(err).NotTo(HaveOccurred())
		Expect(verdict(ctx, bad)).To(BeNil())
		Expect(verdict(ctx, other)).To(HaveField("Result", v1.VerdictBad))
	})

	It("does not say that it is done when the verdict could not be taken back", func(ctx SpecContext) {
		g.web(ctx)
		bad := g.judge(ctx, v1.VerdictBad)
		g.Fail("releases.Pardon", errors.New("the disk is read-only"))
		_, err := g.Retry(ctx, "web", "ann@biz")
		Expect(err).To(MatchError(ContainSubstring("the disk is read-only")))
		Expect(verdict(ctx, bad)).NotTo(BeNil())
	})

	DescribeTable("says in a sentence why there is nothing to retry",
		func(ctx SpecContext, arrange func(context.Context), reason, text string) {
			arrange(ctx)
			before := g.queued()
			_, err := g.Retry(ctx, "web", "ann@biz")
			Expect(err).To(MatchError(ContainSubstring(text)))
			Expect(providers.ReasonOf(err)).To(Equal(reason))
			Expect(g.queued()).To(Equal(before))
		},
		Entry("no such service", func(context.Context) {}, "ServiceUnknown", "no service web is known on biz"),
		Entry("it is good", func(ctx context.Context) {
			g.web(ctx)
			g.judge(ctx, v1.VerdictSoaked)
		}, "NothingToRetry", "was not judged bad"),
		Entry("it was never tried", func(ctx context.Context) {
			g.web(ctx)
			g.pass(ctx, "web")
		}, "NothingToRetry", "It is Rolling (Soaking)"),
		Entry("no release", func(ctx context.Context) {
			g.write(ctx, func(m *v1.Manifest) { manifest.Put(m, v1.Service{Name: "web", Hosts: []string{"biz"}}) })
		}, "NothingToRetry", "it has no release yet"),
		Entry("it is to go", func(ctx context.Context) {
			g.web(ctx)
			g.judge(ctx, v1.VerdictBad)
			g.write(ctx, func(m *v1.Manifest) { Expect(manifest.Remove(m, "web", "ann")).To(Succeed()) })
		}, "NothingToRetry", "the manifest does not want it on biz"),
		Entry("its secrets cannot be read", func(ctx context.Context) {
			g.web(ctx)
			g.judge(ctx, v1.VerdictBad)
			delete(g.SecretsFiles, secretsPath)
		}, "SecretsMissing", secretsPath),
		Entry("held on this host", func(ctx context.Context) {
			g.web(ctx)
			g.judge(ctx, v1.VerdictBad)
			_, err := g.Hold(ctx, "web", v1.Hold{Owner: "bob@biz", Reason: "no", Forever: true})
			Expect(err).NotTo(HaveOccurred())
			g.Engine.Enqueue("web")
		}, "Held", "web is held (bob@biz, forever: no), so nothing is tried: `deployerctl unhold web` first"),
		Entry("held in the manifest", func(ctx context.Context) {
			g.web(ctx)
			g.judge(ctx, v1.VerdictBad)
			g.write(ctx, func(m *v1.Manifest) { m.Service("web").Hold = &v1.Hold{Owner: "bob@laptop", Forever: true} })
		}, "Held", "`deploy-manifest unhold web` first"),
	)
})

var _ = Describe("a hold of this host", func() {
	var g *rig
	var hold v1.Hold
	BeforeEach(func(ctx SpecContext) {
		g = newRig(ctx)
		g.web(ctx)
		until := g.Clock.Now().Add(2 * time.Hour)
		hold = v1.Hold{Owner: "ann@biz", Reason: "load test", Until: &until}
	})
	// held is what the passes would be told.
	held := func(ctx context.Context) *v1.Hold {
		return g.Why(ctx, "web").HostHold
	}

	It("counts at once, outlives state.json and the daemon, and lapses by itself", func(ctx SpecContext) {
		before := g.queued()
		Expect(g.Hold(ctx, "web", hold)).To(BeNil())
		Expect(held(ctx)).To(HaveValue(Equal(hold)))
		Expect(g.queued()).To(Equal(before + 1))
		Expect(g.events(ctx)).To(ContainElement("HoldSet: on this host, by ann@biz until 2026-01-01 14:00 UTC: load test"))
		g.LoseState()
		g.restart(ctx)
		Expect(held(ctx)).To(HaveValue(Equal(hold)))
		g.Clock.Advance(2 * time.Hour)
		Expect(held(ctx)).To(BeNil())
	})

	It("takes the place of the one before, and says whose that was", func(ctx SpecContext) {
		Expect(g.Hold(ctx, "web", hold)).To(BeNil())
		other := v1.Hold{Owner: "bob@biz", Reason: "the disk", Forever: true}
		Expect(g.Hold(ctx, "web", other)).To(HaveValue(Equal(hold)))
		Expect(held(ctx)).To(HaveValue(Equal(other)))
	})

	It("does not count before it is on the disk", func(ctx SpecContext) {
		g.Fail("states.SaveHold", errors.New("no space left"))
		_, err := g.Hold(ctx, "web", hold)
		Expect(err).To(MatchError(ContainSubstring("no space left")))
		Expect(held(ctx)).To(BeNil())
	})

	It("is refused when it is over already, has no end, or is of nothing", func(ctx SpecContext) {
		past := g.Clock.Now().Add(-time.Minute)
		_, err := g.Hold(ctx, "web", v1.Hold{Reason: "x", Until: &past})
		Expect(err).To(MatchError("the hold would be over already: it ends 2026-01-01 11:59 UTC (1 min ago)"))
		_, err = g.Hold(ctx, "web", v1.Hold{Reason: "x"})
		Expect(err).To(MatchError(ContainSubstring("say when the hold ends")))
		_, err = g.Hold(ctx, "nope", hold)
		Expect(providers.ReasonOf(err)).To(Equal("ServiceUnknown"))
		Expect(g.Host().Holds.Holds(ctx)).To(BeEmpty())
	})

	It("ends when somebody says so, once, and that is no error where there is none", func(ctx SpecContext) {
		Expect(g.Hold(ctx, "web", hold)).To(BeNil())
		Expect(g.Unhold(ctx, "web", "bob@biz")).To(HaveField("Was", HaveValue(Equal(hold))))
		Expect(held(ctx)).To(BeNil())
		Expect(g.Host().Holds.Holds(ctx)).To(BeEmpty())
		Expect(g.events(ctx)).To(ContainElement("Unheld: bob@biz ended the hold of this host, by ann@biz until 2026-01-01 14:00 UTC: load test"))
		Expect(g.Unhold(ctx, "web", "bob@biz")).To(BeZero())
		_, err := g.Unhold(ctx, "nope", "bob@biz")
		Expect(providers.ReasonOf(err)).To(Equal("ServiceUnknown"))
	})

	It("is all that an unhold here ends: that of the manifest stays, and is named", func(ctx SpecContext) {
		wide := v1.Hold{Owner: "bob@laptop", Reason: "the database moves", Forever: true}
		g.write(ctx, func(m *v1.Manifest) { m.Service("web").Hold = &wide })
		Expect(g.Hold(ctx, "web", hold)).To(BeNil())
		got, err := g.Unhold(ctx, "web", "ann@biz")
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Was).To(HaveValue(Equal(hold)))
		Expect(got.Stays).To(HaveValue(Equal(wide)))
	})

	It("is lost with its file, and the start says so and goes on", func(ctx SpecContext) {
		Expect(g.Hold(ctx, "web", hold)).To(BeNil())
		g.Fail("states.Holds", providers.ErrNotFound)
		err := g.Load(ctx)
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(g.Source.Lookup("web").Kind).To(Equal(v1.Assigned))
	})
})

var _ = Describe("the account of a service", func() {
	It("has its state, verdicts with all lines, deployments, events and the manifest's head", func(ctx SpecContext) {
		g := newRig(ctx)
		g.web(ctx)
		g.pass(ctx, "web")
		bad := g.judge(ctx, v1.VerdictBad)
		d := v1.Deployment{Service: "web", Began: g.Clock.Now().Add(-time.Hour), Outcome: v1.OutcomeFailed}
		Expect(g.Host().History.SaveDeployment(ctx, d)).To(Succeed())
		Expect(g.History(ctx, "web")).To(ContainElement(d))
		f := g.Why(ctx, "web")
		Expect(f.State).To(HaveField("Name", "web"))
		Expect(f.Verdicts).To(HaveExactElements(HaveField("Instance", bad)))
		Expect(f.Deployments).To(ContainElement(d))
		Expect(f.Events).NotTo(BeEmpty())
		Expect(f.Manifest).To(And(HaveField("Generation", int64(2)), HaveField("UpdatedBy", "ann@laptop"), HaveField("Message", "because")))
		Expect(f.Missing).To(BeEmpty())
	})

	It("says what could not be read, and tells the rest", func(ctx SpecContext) {
		g := newRig(ctx)
		g.web(ctx)
		g.pass(ctx, "web")
		g.Fail("releases.Observe", errors.New("input/output error"))
		f := g.Why(ctx, "web")
		Expect(f.State).NotTo(BeNil())
		Expect(f.Missing).To(HaveExactElements(ContainSubstring("input/output error")))
	})

	It("knows nothing of a service that was never here, and who removed one", func(ctx SpecContext) {
		g := newRig(ctx)
		Expect(g.Why(ctx, "nope")).To(And(HaveField("State", BeNil()), HaveField("Events", BeEmpty())))
		g.write(ctx, func(m *v1.Manifest) { Expect(manifest.Remove(m, "old", "ann@laptop")).To(Succeed()) })
		Expect(g.Why(ctx, "old").Manifest.Removal).To(HaveField("By", "ann@laptop"))
	})
})
