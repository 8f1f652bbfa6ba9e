package service

import (
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("overlapping releases", func() {
	var g *rig
	BeforeEach(func() { g = newRig() })

	settled := func(releases ...string) v1.Service {
		GinkgoHelper()
		var s v1.Service
		for _, release := range releases {
			s = g.overlap("web", release, 8080)
			g.write(s)
			g.settle("web")
		}
		return s
	}
	// next writes a release that behaves like that.
	next := func(release string, p fake.Program) v1.Service {
		s := g.overlap("web", release, 8080)
		g.Programs[s.Artifact.StorePath] = p
		g.write(s)
		return s
	}
	serving := func() string { return g.state("web").Serving.StorePath }

	It("begin in the primary slot, for there is nothing to lose", func() {
		s := settled("v1")
		g.expectServing("web", s)
		Expect(g.state("web").Strategy).To(Equal(v1.StrategyOverlap))
		Expect(g.state("web").Upstream).To(Equal("127.0.0.1:8080"))
		Expect(g.Unit("web", v1.Standby)).To(BeNil())
	})

	It("come up in the standby, take the requests, soak, and end in the primary", func() {
		settled("v1")
		s := next("v2", fake.Program{})
		var done []string
		g.r.onStep = stepsInto(&done)
		g.settle("web")
		g.expectServing("web", s)
		Expect(g.state("web").Upstream).To(Equal("127.0.0.1:8080"))
		Expect(g.Unit("web", v1.Standby)).To(BeNil(), "the standby is there only while they overlap")
		Expect(slices.DeleteFunc(done, func(step string) bool { return step == "health" })).To(Equal([]string{
			"root", "pull", "stage", "install", "start", "shift", "soak", "install", "start", "shift", "drain", "retire",
		}))
	})

	It("write nothing to Caddy", func() {
		settled("v1")
		g.ForgetCalls()
		settled("v2", "v3")
		Expect(g.changes()).NotTo(ContainElement(HavePrefix("routes.")))
	})

	It("keep the old one serving until the new one is well, and live is not yet settled", func() {
		old := settled("v1")
		s := next("v2", fake.Program{StartsAfter: 20 * second})
		_ = g.drive("web", 19*second)
		Expect(serving()).To(Equal(old.Artifact.StorePath))
		Expect(g.state("web").Health).To(Equal(v1.Healthy))
		Expect(g.state("web").State).To(Equal(v1.Rolling))
		_ = g.drive("web", 3*second)
		Expect(serving()).To(Equal(s.Artifact.StorePath))
		Expect(g.state("web").State).To(Equal(v1.Rolling), "it soaks")
		Expect(g.state("web").Sync).To(Equal(v1.OutOfSync))
		g.settle("web")
		g.expectServing("web", s)
	})

	DescribeTable("that are bad never get a request, or lose them at once, and are not tried again",
		func(p fake.Program, reason string) {
			old := settled("v1")
			bad := next("v2", p)
			g.settle("web")
			st := g.state("web")
			Expect(st.State).To(Equal(v1.Stalled))
			Expect(st.Reason).To(Equal("RolledBack"))
			Expect(st.Health).To(Equal(v1.Healthy))
			Expect(st.Sync).To(Equal(v1.OutOfSync))
			Expect(st.Serving.StorePath).To(Equal(old.Artifact.StorePath))
			Expect(st.Desired.StorePath).To(Equal(bad.Artifact.StorePath))
			Expect(g.condition("web", v1.Ready).Status).To(Equal(v1.False))
			Expect(g.condition("web", v1.StalledCondition).Status).To(Equal(v1.True))
			Expect(st.Verdicts).To(ContainElement(And(HaveField("Result", v1.VerdictBad), HaveField("Reason", reason))))
			Expect(st.Evidence).NotTo(BeNil())
			Expect(g.Unit("web", v1.Standby)).To(BeNil())
			Expect(g.events("web")).To(ContainElement("JudgedBad"))

			g.ForgetCalls()
			g.LoseState()
			g.restart()
			_ = g.drive("web", 600*second)
			Expect(g.changes()).NotTo(ContainElement(HavePrefix("units.Start")), "it is tried again")

			fix := next("v3", fake.Program{})
			g.settle("web")
			g.expectServing("web", fix)
		},
		Entry("exits at once", fake.Program{ExitsAfter: time.Millisecond, Status: 7}, "Exited"),
		Entry("does not start", fake.Program{FailsToStart: true, Status: 7}, "ExitedAtStart"),
		Entry("never listens", fake.Program{NeverListens: true}, "HealthDeadlineExceeded"),
		Entry("answers 500", fake.Program{Answer: 500}, "HealthDeadlineExceeded"),
		Entry("exits while it soaks", fake.Program{ExitsAfter: 5 * second, Status: 1}, "Exited"),
	)

	It("that are killed while they soak, with the daemon away, have given the requests back at once", func() {
		old := settled("v1")
		next("v2", fake.Program{})
		_ = g.drive("web", 3*second)
		Expect(serving()).NotTo(Equal(old.Artifact.StorePath))
		g.Kill("web", v1.Standby)
		f, _ := g.Host().Releases.Observe(ctx(), "web")
		Expect(f.Upstream).To(Equal("127.0.0.1:8080"))
		g.restart()
		g.Clock.Advance(second)
		g.settle("web")
	})

	It("that fall ill while they soak lose the requests at once, and are judged", func() {
		old := settled("v1")
		s := next("v2", fake.Program{})
		_ = g.drive("web", 3*second)
		Expect(serving()).To(Equal(s.Artifact.StorePath))
		g.Turn(s.Artifact.StorePath, fake.Program{Answer: 500})
		_, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(serving()).To(Equal(old.Artifact.StorePath))
		g.settle("web")
		Expect(g.state("web").Verdicts[0].Reason).To(Equal("IllWhileSoaking"))
	})

	It("that flap while they soak are judged", func() {
		settled("v1")
		s := next("v2", fake.Program{})
		for i := range 8 {
			_ = g.drive("web", 3*second)
			g.Turn(s.Artifact.StorePath, fake.Program{Answer: []int{500, 200}[i%2]})
			_, _ = g.pass("web")
			_, _ = g.pass("web")
			g.Turn(s.Artifact.StorePath, fake.Program{})
		}
		g.settle("web")
		Expect(g.state("web").Verdicts[0].Reason).To(Equal("Flapped"))
	})

	It("give way to a fix at once, whatever they wait for", func() {
		old := settled("v1")
		next("v2", fake.Program{NeverListens: true})
		_ = g.drive("web", 2*second)
		fix := next("v3", fake.Program{})
		_ = g.drive("web", 2*second)
		Expect(serving()).To(Equal(fix.Artifact.StorePath), "not after v2's deadline")
		g.settle("web")
		g.expectServing("web", fix)
		Expect(old.Artifact.StorePath).NotTo(Equal(fix.Artifact.StorePath))
	})

	It("give way to a fix while they soak, over the primary", func() {
		settled("v1")
		next("v2", fake.Program{})
		_ = g.drive("web", 3*second)
		fix := next("v3", fake.Program{})
		g.settle("web")
		g.expectServing("web", fix)
		Expect(g.state("web").Verdicts).To(HaveLen(2), "v2 was never judged")
	})

	It("wait for the connections of the primary, as long as deploy.drain says", func() {
		settled("v1")
		g.Connections[8080] = 1
		s := next("v2", fake.Program{})
		_ = g.drive("web", 20*second)
		Expect(g.Unit("web", v1.Primary).Running()).NotTo(Equal(g.state("web").Desired.Instance))
		Expect(serving()).To(Equal(s.Artifact.StorePath))
		delete(g.Connections, 8080)
		g.settle("web")
		g.expectServing("web", s)
	})

	It("leave an old standby with a websocket alone for an hour, and count as settled meanwhile", func() {
		settled("v1")
		s := next("v2", fake.Program{})
		g.AfterCall = func(string) {} // the standby's port is known only now
		_ = g.drive("web", 3*second)
		f, _ := g.Host().Releases.Observe(ctx(), "web")
		port := f.Staged[g.state("web").Desired.Instance].StandbyPort
		g.Connections[port] = 1
		_ = g.drive("web", 60*second)
		g.expectServing("web", s)
		Expect(g.Unit("web", v1.Standby).Running()).NotTo(BeEmpty())
		told := slices.DeleteFunc(g.events("web"), func(reason string) bool { return reason != "Draining" })
		Expect(told).To(HaveLen(1), "for an hour of looking")
		_ = g.drive("web", 3600*second)
		Expect(g.Unit("web", v1.Standby)).To(BeNil())
	})

	It("of a program that ignores PORT say so, and do not count against it", func() {
		old := settled("v1")
		s := next("v2", fake.Program{IgnoresPort: true, Status: 1})
		_ = g.drive("web", 30*second)
		st := g.state("web")
		Expect(st.State).To(Equal(v1.Stalled))
		Expect(st.Reason).To(Equal("PortIgnored"))
		Expect(st.Message).To(ContainSubstring("deploy.strategy=replace"))
		Expect(st.Serving.StorePath).To(Equal(old.Artifact.StorePath))
		Expect(st.Verdicts).To(HaveLen(1))
		Expect(g.Unit("web", v1.Standby)).To(BeNil())
		s.Deploy.Strategy = v1.StrategyReplace
		g.Overlap["web"] = false
		g.write(s)
		g.settle("web")
		g.expectServing("web", s)
	})

	It("take another port when somebody was faster with theirs", func() {
		settled("v1")
		s := next("v2", fake.Program{})
		after := g.AfterCall
		g.AfterCall = func(call string) {
			after(call)
			if call == "units.Install web standby" && len(g.Listeners) == 0 {
				g.Listeners[20000] = "stranger.service"
			}
		}
		_ = g.drive("web", 60*second)
		g.settle("web")
		g.expectServing("web", s)
	})

	It("that are good and fail only in the primary serve from the standby, and say so", func() {
		settled("v1")
		s := next("v2", fake.Program{FailsOn: v1.Primary})
		_ = g.drive("web", 300*second)
		st := g.state("web")
		Expect(st.Serving.StorePath).To(Equal(s.Artifact.StorePath))
		Expect(st.Health).To(Equal(v1.Healthy))
		Expect(st.Verdicts[0].Result).To(Equal(v1.VerdictSoaked))
		Expect(st.State).To(Equal(v1.Stalled))
		Expect(st.Reason).To(Equal("NotWellAgain"))
		g.Programs[s.Artifact.StorePath] = fake.Program{}
		_ = g.drive("web", 600*second)
		g.settle("web")
		g.expectServing("web", s)
	})

	It("go back to an older one without a gap, and the way back from there is the newest that was good", func() {
		v1svc := settled("v1")
		settled("v2")
		g.write(v1svc)
		g.settle("web")
		g.expectServing("web", v1svc)
		next("v3", fake.Program{ExitsAfter: 1, Status: 1})
		g.settle("web")
		Expect(serving()).To(Equal(v1svc.Artifact.StorePath), "not v2")
	})

	It("of the first bad one leave nothing running, and keep it for a look", func() {
		next("v1", fake.Program{ExitsAfter: 1, Status: 3, Log: []string{"no database"}})
		g.settle("web")
		st := g.state("web")
		Expect(st.State).To(Equal(v1.Stalled))
		Expect(st.Health).To(Equal(v1.Failed))
		Expect(st.Reason).To(Equal("Exited"))
		Expect(st.Evidence.Log).To(ContainElement("no database"))
		Expect(g.Unit("web", v1.Primary)).To(BeNil())
		f, _ := g.Host().Releases.Observe(ctx(), "web")
		Expect(f.Staged).To(HaveLen(1))
		fix := next("v2", fake.Program{})
		g.settle("web")
		g.expectServing("web", fix)
	})

	It("are tried again when somebody says retry", func() {
		settled("v1")
		s := next("v2", fake.Program{Answer: 500})
		g.settle("web")
		g.Programs[s.Artifact.StorePath] = fake.Program{}
		Expect(g.Host().Releases.Pardon(ctx(), "web", g.state("web").Desired.Instance)).To(Succeed())
		g.settle("web")
		g.expectServing("web", s)
	})

	It("of a new secrets file run beside the old process, which never sees them", func() {
		g.SecretsFiles[secretsPath] = secretsFile("TOKEN=one\n")
		s := withSecrets(g.overlap("web", "v1", 8080))
		g.write(s)
		g.settle("web")
		old := g.state("web").Serving.Instance
		g.SecretsFiles[secretsPath] = secretsFile("TOKEN=two\n")
		g.settle("web")
		g.expectServing("web", s)
		Expect(g.state("web").Serving.Instance).NotTo(Equal(old))
	})

	It("of a service that has another name now begin beside the old one, which goes when they serve", func() {
		old := settled("v1")
		renamed := g.overlap("site", "v1", 8080)
		renamed.HTTP.Domain = old.HTTP.Domain
		var asked []Place
		g.r.successor = func(p Place) string {
			asked = append(asked, p)
			if g.states["site"].Upstream == "" {
				return "site"
			}
			return ""
		}
		g.write(renamed)
		_, _ = g.pass("web")
		Expect(g.Unit("web", v1.Primary).Running()).NotTo(BeEmpty())
		for range 400 {
			a, _ := g.pass("site")
			b, _ := g.pass("web")
			g.Clock.Advance(max(min(a.RequeueAfter, b.RequeueAfter), 50*time.Millisecond))
		}
		g.settle("site")
		g.expectServing("site", renamed)
		Expect(asked[0]).To(Equal(Place{Service: "web", Route: "web.example.com/", Port: 8080}))
		Expect(g.states).NotTo(HaveKey("web"))
		Expect(g.Unit("site", v1.Standby)).To(BeNil())
	})

	It("of a worker are replaced: nobody asks it anything", func() {
		w := v1.Service{Name: "worker", Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: g.path("w1")}}
		g.write(w)
		g.settle("worker")
		Expect(g.state("worker").Strategy).To(Equal(v1.StrategyReplace))
	})

	It("survive a strategy that changes in the middle", func() {
		settled("v1")
		s := next("v2", fake.Program{})
		_ = g.drive("web", 3*second)
		s.Deploy.Strategy = v1.StrategyReplace
		g.Overlap["web"] = false
		g.write(s)
		g.settle("web")
		g.expectServing("web", s)
		Expect(g.Unit("web", v1.Standby)).To(BeNil())
	})

	It("that cannot be seen for a while go on afterwards, and nothing moved meanwhile", func() {
		settled("v1")
		s := next("v2", fake.Program{})
		_ = g.drive("web", 3*second)
		g.Fail("prober.Probe", errWorld)
		_ = g.drive("web", 100*second)
		Expect(serving()).To(Equal(s.Artifact.StorePath))
		Expect(g.state("web").State).NotTo(Equal(v1.Stalled), g.state("web").Message)
		g.Heal("")
		g.settle("web")
		g.expectServing("web", s)
	})
})

var _ = Describe("a hold", func() {
	var g *rig
	BeforeEach(func() { g = newRig() })
	forever := &v1.Hold{Forever: true, Owner: "ann@laptop", Reason: "load test"}

	It("of a host counts as one of the manifest does", func() {
		s := g.overlap("web", "v1", 8080)
		g.write(s)
		g.settle("web")
		until := g.Clock.Now().Add(time.Hour)
		g.r.heldHere = func(string) *v1.Hold { return &v1.Hold{Until: &until, Owner: "root@biz"} }
		g.StopByHand("web", v1.Primary)
		g.ForgetCalls()
		result, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(time.Hour))
		Expect(g.changes()).To(BeEmpty())
		Expect(g.state("web").Message).To(And(ContainSubstring("root@biz"), ContainSubstring("not done meanwhile: its unit is inactive")))
		Expect(g.state("web").Hold).NotTo(BeNil())
		g.Clock.Advance(time.Hour)
		g.settle("web")
		g.expectServing("web", s)
	})

	It("during a rollout goes back to the last good release before it rests", func() {
		old := g.overlap("web", "v1", 8080)
		g.write(old)
		g.settle("web")
		s := g.overlap("web", "v2", 8080)
		g.write(s)
		_ = g.drive("web", 3*second)
		s.Hold = forever
		g.write(s)
		g.settle("web")
		st := g.state("web")
		Expect(st.State).To(Equal(v1.HeldState))
		Expect(st.Serving.StorePath).To(Equal(old.Artifact.StorePath))
		Expect(g.Unit("web", v1.Standby)).To(BeNil())
		Expect(st.Verdicts).To(HaveLen(1))
		s.Hold = nil
		g.write(s)
		g.settle("web")
		g.expectServing("web", s)
	})

	It("during a rollout that has soaked lets it finish", func() {
		g.write(g.overlap("web", "v1", 8080))
		g.settle("web")
		s := g.overlap("web", "v2", 8080)
		g.Connections[8080] = 1
		g.write(s)
		_ = g.drive("web", 15*second)
		s.Hold = forever
		g.write(s)
		delete(g.Connections, 8080)
		g.settle("web")
		Expect(g.state("web").State).To(Equal(v1.HeldState))
		Expect(g.state("web").Serving.StorePath).To(Equal(s.Artifact.StorePath))
		Expect(g.Unit("web", v1.Standby)).To(BeNil())
	})
})

var _ = Describe("healing", func() {
	It("is told and counted, and status says when somebody else manages the same thing", func() {
		g := newRig()
		g.write(g.overlap("web", "v1", 8080))
		g.settle("web")
		for n := range 4 {
			g.Unit("web", v1.Primary).Edited = true
			g.settle("web")
			Expect(g.Unit("web", v1.Primary).Edited).To(BeFalse())
			Expect(g.state("web").Healed.Count).To(Equal(n + 1))
		}
		Expect(g.state("web").Healed.What).To(ContainSubstring("unit file"))
		Expect(g.state("web").Message).To(ContainSubstring("somebody else manages"))
		Expect(g.events("web")).To(ContainElement("Healed"))
		g.Clock.Advance(601 * second)
		g.Unit("web", v1.Primary).Edited = true
		g.settle("web")
		Expect(g.state("web").Healed.Count).To(Equal(1))
	})

	DescribeTable("replaces a process that was started with somebody's settings, like any other that gives way",
		func(service func(g *rig) v1.Service, starts ...string) {
			g := newRig()
			g.write(service(g))
			g.settle("web")
			restartEdited(g)
			started := func() []string {
				return slices.DeleteFunc(g.Effects(), func(call string) bool { return !strings.HasPrefix(call, "units.Start ") })
			}
			g.ForgetCalls()
			g.settle("web")
			Expect(g.Unit("web", v1.Primary).Edited).To(BeFalse())
			Expect(started()).To(Equal(starts))
			Expect(g.state("web").Healed.What).To(ContainSubstring("unit"))
			g.ForgetCalls()
			g.settle("web")
			Expect(started()).To(BeEmpty(), "once is enough")
		},
		Entry("in place", func(g *rig) v1.Service { return g.web("web", "v1", 8080) }, "units.Start web primary"),
		Entry("beside it", func(g *rig) v1.Service { return g.overlap("web", "v1", 8080) }, "units.Start web standby", "units.Start web primary"),
	)
})

var _ = Describe("the record of deployments", func() {
	It("has each try with its end, when it was live, what changed and who wrote it", func() {
		g := newRig()
		g.manifest.UpdatedBy, g.manifest.Message = "ann@laptop", "first"
		g.write(g.overlap("web", "v1", 8080))
		g.settle("web")
		s := g.overlap("web", "v2", 8080)
		s.Env["AREA"] = "Live"
		g.write(s)
		g.settle("web")
		bad := g.overlap("web", "v3", 8080)
		g.Programs[bad.Artifact.StorePath] = fake.Program{ExitsAfter: 1, Status: 1}
		g.write(bad)
		g.settle("web")
		all, err := g.Host().History.Deployments(ctx(), "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(all).To(HaveLen(3))
		Expect(all[2].Outcome).To(Equal(v1.OutcomeSettled))
		Expect(all[2].By).To(Equal("ann@laptop"))
		Expect(all[1].Outcome).To(Equal(v1.OutcomeSettled))
		Expect(all[1].Changed).To(ConsistOf("storePath", "env.AREA"))
		Expect(all[1].LiveAt).To(BeTemporally(">", all[1].Began))
		Expect(all[1].EndedAt.Sub(all[1].LiveAt)).To(BeNumerically(">=", 9*second))
		Expect(all[0].Outcome).To(Equal(v1.OutcomeRolledBack))
		Expect(all[0].Reason).To(Equal("Exited"))
		Expect(all[0].LiveAt).To(BeZero())
		g.restart()
		g.settle("web")
		again, _ := g.Host().History.Deployments(ctx(), "web")
		Expect(again).To(Equal(all), "a restart of the daemon is no deployment")
	})

	It("tells of a way back when it was live and when it was over, like of any other", func() {
		g := newRig()
		old := g.overlap("web", "v1", 8080)
		g.write(old)
		g.settle("web")
		g.write(g.overlap("web", "v2", 8080))
		g.settle("web")
		g.write(old)
		g.settle("web")
		all, err := g.Host().History.Deployments(ctx(), "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(all).To(HaveLen(3))
		Expect(all[0].Outcome).To(Equal(v1.OutcomeSettled))
		Expect(all[0].LiveAt).NotTo(BeZero())
		Expect(all[0].EndedAt).To(BeTemporally(">=", all[0].LiveAt))
	})

	It("calls superseded what a newer release pushed out", func() {
		g := newRig()
		g.write(g.overlap("web", "v1", 8080))
		_ = g.drive("web", 3*second)
		g.write(g.overlap("web", "v2", 8080))
		g.settle("web")
		all, _ := g.Host().History.Deployments(ctx(), "web")
		Expect(all[1].Outcome).To(Equal(v1.OutcomeSuperseded))
		Expect(all[0].Outcome).To(Equal(v1.OutcomeSettled))
	})

	It("that cannot be written stops nothing", func() {
		g := newRig()
		g.Fail("states.SaveDeployment", providers.ErrUnavailable)
		s := g.overlap("web", "v1", 8080)
		g.write(s)
		g.settle("web")
		g.expectServing("web", s)
	})
})
