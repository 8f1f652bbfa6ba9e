package faults_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/load"
	"deployer/test/suites/stage"
)

// reboots in the middle of a rollout, each at a moment that is waited for.
var moments = []struct {
	what string
	// change makes the moment last.
	change  func(*v1.Service)
	reached func(v1.ServiceState) bool
	// answers names the releases of which one must serve after the boot, with nobody to help.
	answers []string
}{
	{
		"while the next one is not well yet",
		func(s *v1.Service) { s.Env["PROGRAM_START_DELAY"] = "4s" },
		func(st v1.ServiceState) bool { return st.Slots[v1.Standby].MainPID != 0 },
		[]string{"old"},
	},
	{
		"while the next one soaks and has the requests",
		func(s *v1.Service) { s.Deploy.Soak = v1.Duration(6 * time.Second) },
		func(st v1.ServiceState) bool {
			return st.Slots[v1.Standby].MainPID != 0 && st.Upstream != "127.0.0.1:8350"
		},
		[]string{"old"},
	},
	{
		"while the primary drains",
		func(s *v1.Service) { s.Deploy.Drain = v1.Duration(time.Minute) },
		func(st v1.ServiceState) bool {
			return len(st.Verdicts) > 0 && st.Verdicts[0].Instance == st.Desired.Instance && st.Verdicts[0].Result == v1.VerdictSoaked
		},
		// The shutdown itself ends what was waited for; and the next one has soaked.
		[]string{"old", "new"},
	},
	{
		"while the primary comes up as the next one",
		func(s *v1.Service) { s.Env["PROGRAM_START_DELAY"] = "3s" },
		func(st v1.ServiceState) bool {
			return st.Slots[v1.Primary].Instance == st.Desired.Instance && st.Upstream != "127.0.0.1:8350"
		},
		[]string{"new"},
	},
}

var _ = Describe("A reboot with the store down and the daemon disabled", Ordered, func() {
	const name = "rebooted"
	service := stage.Overlapping(name, 8350)

	// off leaves the host alone with what it has, and boots it anew.
	off := func(ctx context.Context) {
		GinkgoHelper()
		s.OK(ctx, s.Biz, "systemctl", "disable", "--quiet", daemon)
		Expect(s.Lab.S3.Stop(ctx)).To(Succeed())
		Expect(s.Biz.Reboot(ctx)).To(Succeed())
	}
	on := func(ctx context.Context) {
		GinkgoHelper()
		Expect(s.Lab.S3.Start(ctx)).To(Succeed())
		s.OK(ctx, s.Biz, "systemctl", "enable", "--quiet", "--now", daemon)
	}

	BeforeAll(func(ctx SpecContext) {
		service.Artifact.StorePath = s.Release(ctx, "one")
		s.StartService(ctx, stage.Changed(service, stage.Change{Release: "old"}))
	})
	AfterEach(func(ctx SpecContext) { on(ctx) })

	for _, m := range moments {
		It("survives F28 and F37: "+m.what+", what was good serves after it", func(ctx SpecContext) {
			old := stage.Changed(service, stage.Change{Release: "old"})
			s.Apply(ctx, old)
			s.WaitAtRest(ctx, old)
			next := stage.Changed(service, stage.Change{Release: "new", StorePath: s.Release(ctx, "two")})
			m.change(&next)
			letGo := func() {}
			if m.what == "while the primary drains" {
				held := s.StartLoad(ctx, stage.Asked(name, load.Mix{load.WebSocket: 1}))
				letGo = held.Stop
				DeferCleanup(letGo)
			}
			s.Apply(ctx, next)
			s.Await(ctx, name, m.what, m.reached)
			stage.Within(5*time.Second, "reboot "+m.what+" → answers", func() {
				off(ctx)
				Eventually(ctx, func() (string, error) { return s.Get(ctx, name, "/") }).
					WithTimeout(stage.Patience).Should(BeElementOf(m.answers))
			})
			Expect(s.Run(ctx, s.Biz, "systemctl", "is-active", daemon).Out).To(Equal("inactive\n"))
			letGo() // it has come back meanwhile, and the primary would wait for it again
			on(ctx)
			s.WaitAtRest(ctx, next)
			s.WaitAnswer(ctx, name, "new")
		})
	}

	It("leaves every good service running and routed, also one whose next release was bad", func(ctx SpecContext) {
		names := map[string]int{"first": 8351, "second": 8352, "third": 8353}
		for other, port := range names {
			one := stage.Overlapping(other, port)
			one.Artifact.StorePath = s.Release(ctx, "one")
			s.StartService(ctx, stage.Changed(one, stage.Change{Release: other}))
		}
		third := stage.Changed(stage.Overlapping("third", 8353), stage.Change{Release: "third", StorePath: s.Release(ctx, "one")})
		bad := stage.Changed(third, stage.Change{Release: "bad", Settings: settings("mode", "exit")})
		s.Apply(ctx, bad)
		s.WaitBad(ctx, bad, third)
		stage.Within(5*time.Second, "reboot → all answer", func() {
			off(ctx)
			for other := range names {
				s.WaitAnswer(ctx, other, other)
			}
		})
	})
})

var _ = Describe("Without the daemon", func() {
	It("survives F37: a standby killed while it serves gives the requests back at once", func(ctx SpecContext) {
		service := stage.Overlapping("orphaned", 8354)
		service.Artifact.StorePath = s.Release(ctx, "one")
		old := stage.Changed(service, stage.Change{Release: "old"})
		next := stage.Changed(service, stage.Change{Release: "new"})
		next.Deploy.Soak = v1.Duration(10 * time.Second)
		s.StartService(ctx, old)
		s.Apply(ctx, next)
		s.Await(ctx, service.Name, "served by its standby", func(st v1.ServiceState) bool { return st.Upstream != "" && st.Upstream != "127.0.0.1:8354" })
		s.WaitAnswer(ctx, service.Name, "new")
		s.OK(ctx, s.Biz, "systemctl", "stop", daemon)
		DeferCleanup(func(ctx SpecContext) { s.OK(ctx, s.Biz, "systemctl", "start", daemon) })
		l := s.StartLoad(ctx, stage.Asked(service.Name, load.Mix{load.Get: 8}))
		// The program, as the kernel would for want of memory, and not what systemd runs after it.
		s.OK(ctx, s.Biz, "systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", service.Name+"-standby")
		s.WaitAnswer(ctx, service.Name, "old")
		report := l.End()
		Expect(report.Total().Failed).To(BeZero(), "%s", report)
		Expect(report.Total().Latencies.Max).To(BeNumerically("<", time.Second), "promised: 100 ms; %s", report)
		AddReportEntry("the longest answer around the death of a standby that served", report.Total().Latencies.Max)
		s.OK(ctx, s.Biz, "systemctl", "start", daemon)
		s.WaitAtRest(ctx, next)
	})
})
