package service

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers/fake"
)

var _ = Describe("a program", func() {
	var g *rig
	BeforeEach(func() { g = newRig() })

	// release is the next release of web, behaving like that.
	release := func(name string, p fake.Program) v1.Service {
		s := g.web("web", name, 8080)
		g.Programs[s.Artifact.StorePath] = p
		g.write(s)
		return s
	}
	starts := func() int {
		n := 0
		for _, call := range g.changes() {
			if strings.HasPrefix(call, "units.Start") {
				n++
			}
		}
		return n
	}
	restartNo := func(s v1.Service) v1.Service {
		s.Systemd.Restart = "no"
		g.write(s)
		return s
	}

	It("that exits at once is told with its exit status and its log, and stopped", func() {
		release("v1", fake.Program{ExitsAfter: time.Millisecond, Status: 7, Log: []string{"no such table"}})
		_ = g.drive("web", 30*second)
		st := g.state("web")
		Expect(st.State).To(Equal(v1.Stalled))
		Expect(st.Health).To(Equal(v1.Failed))
		Expect(st.Reason).To(Equal("Exited"))
		Expect(st.Message).To(ContainSubstring("deployerctl logs web"))
		Expect(*st.Evidence.ExitStatus).To(Equal(7))
		Expect(st.Evidence.Log).To(ContainElement("no such table"))
		Expect(starts()).To(Equal(1), "systemd starts it again, not we")
	})

	It("that does not get past its start is told so", func() {
		release("v1", fake.Program{FailsToStart: true, Status: 3})
		_, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(g.state("web").State).To(Equal(v1.Stalled))
		Expect(g.state("web").Reason).To(HavePrefix("Exited"))
		_ = g.drive("web", 30*second)
		Expect(g.state("web").State).To(Equal(v1.Stalled), "it stays so: "+g.state("web").Message)
		Expect(starts()).To(Equal(1))
	})

	It("that nobody restarts is judged by its end all the same", func() {
		s := release("v1", fake.Program{ExitsAfter: 300 * time.Millisecond, Status: 1})
		restartNo(s)
		_ = g.drive("web", 20*second)
		Expect(g.state("web").State).To(Equal(v1.Stalled))
		Expect(g.state("web").Reason).To(Equal("Exited"))
		Expect(starts()).To(Equal(1))
	})

	It("that ends while it soaks is bad, and told as what it is", func() {
		release("v1", fake.Program{ExitsAfter: 5 * second, Status: 1})
		_ = g.drive("web", 120*second)
		st := g.state("web")
		Expect(st.State).To(Equal(v1.Stalled))
		Expect(st.Reason).To(Equal("Exited"))
		Expect(st.Verdicts).To(ConsistOf(HaveField("Result", v1.VerdictBad)))
		Expect(starts()).To(Equal(1))
	})

	It("that somebody stops while it soaks is started again, and is not to blame", func() {
		s := release("v1", fake.Program{})
		_ = g.drive("web", 5*second)
		g.StopByHand("web", v1.Primary)
		g.settle("web")
		g.expectServing("web", s)
	})

	It("that answers 500 misses its deadline, and its answer is told", func() {
		release("v1", fake.Program{Answer: 500})
		_ = g.drive("web", 59*second)
		Expect(g.state("web").State).To(Equal(v1.Rolling))
		Expect(g.state("web").Health).To(Equal(v1.Progressing))
		_ = g.drive("web", 5*second)
		st := g.state("web")
		Expect(st.State).To(Equal(v1.Stalled))
		Expect(st.Health).To(Equal(v1.Failed))
		Expect(st.Reason).To(Equal("HealthDeadlineExceeded"))
		Expect(st.Evidence.ProbeAnswer).To(ContainSubstring("500"))
	})

	It("that is slow to listen but in time settles", func() {
		s := release("v1", fake.Program{StartsAfter: 50 * second})
		g.settle("web")
		g.expectServing("web", s)
	})

	It("whose deadline has passed is not waited for any more", func() {
		release("v1", fake.Program{StartsAfter: 70 * second})
		_ = g.drive("web", 65*second)
		Expect(g.state("web").State).To(Equal(v1.Stalled))
		_ = g.drive("web", 60*second)
		Expect(g.state("web").State).To(Equal(v1.Stalled))
		Expect(g.Unit("web", v1.Primary)).To(BeNil())
	})

	It("cannot push its deadline away by ending, nor by a restart of the daemon", func() {
		release("v1", fake.Program{NeverListens: true})
		_ = g.drive("web", 55*second)
		g.restart()
		_ = g.drive("web", 6*second)
		Expect(g.state("web").Reason).To(Equal("HealthDeadlineExceeded"))
	})

	It("that was well is degraded, not failed, when it answers 500 later; and well again", func() {
		s := release("v1", fake.Program{})
		g.settle("web")
		g.Clock.Advance(time.Hour)
		g.Programs[s.Artifact.StorePath] = fake.Program{Answer: 500}
		g.Kill("web", v1.Primary)
		g.Clock.Advance(second)
		result, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(result.RequeueAfter).To(Equal(unwellRecheck))
		st := g.state("web")
		Expect(st.State).To(Equal(v1.Settled))
		Expect(st.Sync).To(Equal(v1.Synced))
		Expect(st.Health).To(Equal(v1.Degraded))
		Expect(st.Message).To(ContainSubstring("500"))
		Expect(g.condition("web", "Healthy").Status).To(Equal(v1.False))
		Expect(g.condition("web", v1.Ready).Status).To(Equal(v1.False))
		Expect(g.events("web")).To(ContainElement("Degraded"))

		g.Programs[s.Artifact.StorePath] = fake.Program{}
		g.Kill("web", v1.Primary)
		g.Clock.Advance(second)
		g.settle("web")
		g.expectServing("web", s)
		Expect(g.events("web")).To(ContainElement("Healthy"))
	})

	It("that is unwell keeps its traffic: a lost upstream file comes back", func() {
		s := release("v1", fake.Program{})
		g.settle("web")
		g.Programs[s.Artifact.StorePath] = fake.Program{Answer: 500}
		g.Kill("web", v1.Primary)
		g.Clock.Advance(second)
		g.SetUpstream("web", "")
		_, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(g.state("web").Upstream).To(Equal("127.0.0.1:8080"))
	})

	It("that was well and is being restarted by systemd is no missed deadline", func() {
		s := release("v1", fake.Program{})
		g.settle("web")
		g.Clock.Advance(time.Hour)
		g.Kill("web", v1.Primary)
		_, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(g.state("web").State).To(Equal(v1.Rolling))
		g.settle("web")
		g.expectServing("web", s)
		Expect(starts()).To(Equal(1))
	})

	It("that was well and is slow to come back after a start of ours is waited for", func() {
		s := release("v1", fake.Program{})
		g.settle("web")
		g.Clock.Advance(time.Hour)
		g.Programs[s.Artifact.StorePath] = fake.Program{StartsAfter: 20 * second}
		g.StopByHand("web", v1.Primary)
		_, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(g.state("web").State).To(Equal(v1.Rolling))
		Expect(g.state("web").Health).To(Equal(v1.Progressing))
		g.settle("web")
		g.expectServing("web", s)
	})

	It("that was well and now ends at every start is told as failed", func() {
		s := release("v1", fake.Program{})
		g.settle("web")
		g.Clock.Advance(time.Hour)
		g.Programs[s.Artifact.StorePath] = fake.Program{FailsToStart: true, Status: 9}
		g.Kill("web", v1.Primary)
		_ = g.drive("web", 20*second)
		st := g.state("web")
		Expect(st.State).To(Equal(v1.Stalled), st.Message)
		Expect(st.Health).To(Equal(v1.Failed))
		Expect(st.Message).To(ContainSubstring("exit status 9"))
	})

	It("whose port a stranger holds is told so, with the holder, and is not to blame", func() {
		s := g.web("web", "v1", 8080)
		g.Listeners[8080] = "nginx.service"
		g.Programs[s.Artifact.StorePath] = fake.Program{StartsAfter: time.Minute}
		g.write(s)
		_, err := g.pass("web")
		Expect(isOwn(err)).To(BeFalse())
		Expect(g.state("web").Reason).To(Equal("PortTaken"))
		Expect(g.state("web").Message).To(ContainSubstring("nginx.service"))
		delete(g.Listeners, 8080)
		_ = g.drive("web", 200*second)
		g.expectServing("web", s)
	})

	It("that ends because a stranger holds its port is told so, whether or not systemd tries again", func() {
		for _, restart := range []string{"always", "no"} {
			g = newRig()
			s := g.web("web", "v1", 8080)
			s.Systemd.Restart = restart
			g.Listeners[8080] = "nginx.service"
			g.Programs[s.Artifact.StorePath] = fake.Program{ExitsAfter: time.Millisecond, Status: 1}
			g.write(s)
			err := g.drive("web", 20*second)
			Expect(isOwn(err)).To(BeFalse(), "restart %s: %v", restart, err)
			Expect(g.state("web").Reason).To(Equal("PortTaken"), "restart %s: %s", restart, g.state("web").Message)
			Expect(g.state("web").Message).To(ContainSubstring("nginx.service"))
			delete(g.Listeners, 8080)
			g.Programs[s.Artifact.StorePath] = fake.Program{}
			_ = g.drive("web", 200*second)
			g.expectServing("web", s)
		}
	})

	It("that crashes in a loop gives way to its fix at once, whatever systemd waits for", func() {
		s := g.web("web", "v1", 8080)
		s.Systemd.RestartSec = v1.Duration(10 * time.Minute)
		g.Programs[s.Artifact.StorePath] = fake.Program{ExitsAfter: second, Status: 1}
		g.write(s)
		_ = g.drive("web", 20*second)
		fix := g.web("web", "v2", 8080)
		g.write(fix)
		before := g.Clock.Now()
		_, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(g.Clock.Now()).To(Equal(before))
		Expect(g.state("web").Serving.StorePath).To(Equal(fix.Artifact.StorePath))
		g.settle("web")
		g.expectServing("web", fix)
	})

	It("that is the last good one and does not start any more does not keep the next one from coming", func() {
		for _, how := range []fake.Program{{FailsToStart: true}, {ExitsAfter: time.Nanosecond}} {
			g = newRig()
			s := g.web("web", "v1", 8080)
			s.Systemd.Restart = "no"
			g.write(s)
			g.settle("web")
			g.Programs[s.Artifact.StorePath] = how
			g.StopByHand("web", v1.Primary)
			fix := g.web("web", "v2", 8080)
			g.write(fix)
			g.settle("web")
			g.expectServing("web", fix)
		}
	})

	It("without a port is good when it runs through its soak", func() {
		w := v1.Service{Name: "worker", Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: g.path("w1")}}
		g.write(w)
		_ = g.drive("worker", 9*second)
		Expect(g.state("worker").Verdicts).To(BeEmpty())
		g.Clock.Jump(-24 * time.Hour)
		g.settle("worker")
		g.expectServing("worker", w)
	})

	It("soaks in full although the clock of the host is set back", func() {
		s := release("v1", fake.Program{})
		_ = g.drive("web", 5*second)
		g.Clock.Jump(-365 * 24 * time.Hour)
		began := g.Clock.Now()
		g.settle("web")
		g.expectServing("web", s)
		Expect(g.Clock.Now().Sub(began)).To(BeNumerically("<", time.Minute))
	})
})
