package rollout_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/suites/stage"
)

var _ = Describe("A fix", func() {
	It("is live long before the deadline of what it fixes", func(ctx SpecContext) {
		const deadline = 60 * time.Second
		service := stage.Overlapping("mended", 8340)
		service.Artifact.StorePath = s.Release(ctx, "one")
		service.Health.Deadline = v1.Duration(deadline)
		one := stage.Changed(service, stage.Change{Release: "one"})
		hanging := stage.Changed(service, stage.Change{Release: "hanging", Settings: set("mode", "hang")})
		fix := stage.Changed(service, stage.Change{Release: "fix", StorePath: s.Release(ctx, "two")})
		s.StartService(ctx, one)
		s.WaitAnswer(ctx, service.Name, "one")
		l := s.StartLoad(ctx, few(service.Name))
		s.Apply(ctx, hanging)
		s.Await(ctx, service.Name, "waiting for the hanging one", func(st v1.ServiceState) bool {
			return st.State == v1.Rolling && st.Slots[v1.Standby].MainPID != 0
		})
		time.Sleep(2 * time.Second)
		stage.Within(2*time.Second, "fix written → live, though what it fixes may hang for a minute", func() {
			s.Apply(ctx, fix)
			s.WaitAnswer(ctx, service.Name, "fix")
		})
		s.WaitAtRest(ctx, fix)
		Expect(l.End().Total().Failed).To(BeZero())
	})
})

var _ = Describe("A bad release", Ordered, func() {
	const name = "judged"
	var one, bad v1.Service

	// starts counts how often a release was started, by its own words.
	starts := func(ctx SpecContext, release string) int {
		return s.Said(ctx, name, "release "+release+" starting, mode web")
	}

	BeforeAll(func(ctx SpecContext) {
		service := stage.Overlapping(name, 8341)
		service.Artifact.StorePath = s.Release(ctx, "one")
		service.Health.Deadline = v1.Duration(3 * time.Second)
		one = stage.Changed(service, stage.Change{Release: "one"})
		s.StartService(ctx, one)
		bad = stage.Changed(one, stage.Change{Release: "bad", Settings: set("health-status", "418")})
		s.Apply(ctx, bad)
		verdict, _ := s.WaitBad(ctx, bad, one)
		Expect(verdict.Message).To(ContainSubstring("418"))
	})

	It("is not tried again, also when state.json was deleted and the daemon restarted", func(ctx SpecContext) {
		before := starts(ctx, "bad")
		Expect(before).To(BeNumerically(">=", 1))
		pid := s.Info(ctx, name).PID
		s.Shell(ctx, s.Biz, "systemctl stop biz-deployer; rm -f /var/lib/biz-deployer/state.json; systemctl start biz-deployer")
		s.WaitBad(ctx, bad, one)
		s.OK(ctx, s.Biz, "deployerctl", "sync")
		Consistently(ctx, func() int { return starts(ctx, "bad") }).WithTimeout(5 * time.Second).WithPolling(time.Second).Should(Equal(before))
		Expect(s.Info(ctx, name).PID).To(Equal(pid))
	})

	It("is tried again when a person says so, and judged again", func(ctx SpecContext) {
		before := starts(ctx, "bad")
		first, _ := s.WaitBad(ctx, bad, one)
		s.OK(ctx, s.Biz, "deployerctl", "retry", name)
		Eventually(ctx, func() time.Time {
			again, _ := s.WaitBad(ctx, bad, one)
			return again.At
		}).WithTimeout(stage.Patience).Should(BeTemporally(">", first.At))
		Expect(starts(ctx, "bad")).To(BeNumerically(">", before))
	})

	It("is good at the next try when what made it bad is gone", func(ctx SpecContext) {
		cured := bad
		health := *bad.Health
		health.Status = 418
		cured.Health = &health
		Expect(cured.Release().Revision()).To(Equal(bad.Release().Revision()), "what is asked for is no part of a release")
		s.Apply(ctx, cured)
		s.WaitGeneration(ctx)
		Consistently(ctx, func() v1.State {
			st, err := s.Service(ctx, name)
			Expect(err).NotTo(HaveOccurred())
			return st.State
		}).WithTimeout(3 * time.Second).WithPolling(500 * time.Millisecond).ShouldNot(Equal(v1.Settled))
		s.OK(ctx, s.Biz, "deployerctl", "retry", name)
		s.WaitAtRest(ctx, cured)
		s.WaitAnswer(ctx, name, "bad")
	})
})

var _ = Describe("The first release of a service", func() {
	It("that is bad is stopped, kept for a look, and said so; the next one serves", func(ctx SpecContext) {
		service := stage.Overlapping("newborn", 8342)
		service.Artifact.StorePath = s.Release(ctx, "one")
		service.Health.Deadline = v1.Duration(3 * time.Second)
		bad := stage.Changed(service, stage.Change{Release: "bad", Settings: set("health-status", "500")})
		s.AddForNow(ctx, bad)
		st := s.WaitReason(ctx, service.Name, "HealthDeadlineExceeded")
		Expect(st.State).To(Equal(v1.Stalled))
		Expect(st.Health).To(Equal(v1.Failed))
		Expect(st.Message).To(ContainSubstring("no good release"))
		Eventually(ctx, func() string { return s.Run(ctx, s.Biz, "systemctl", "is-active", service.Name).Out }).
			WithTimeout(stage.Patience).ShouldNot(Equal("active\n"))
		s.Shell(ctx, s.Biz, "test -e /var/lib/biz-deployer/releases/newborn/"+bad.Release().Revision()+"-*/verdict")
		fix := stage.Changed(service, stage.Change{Release: "fix"})
		s.Apply(ctx, fix)
		s.WaitAtRest(ctx, fix)
		s.WaitAnswer(ctx, service.Name, "fix")
	})
})

var _ = Describe("A release that is asked something else than the one before", func() {
	It("comes and goes without a request lost, and without a restart of the old one", func(ctx SpecContext) {
		service := stage.Overlapping("polled", 8343)
		service.Artifact.StorePath = s.Release(ctx, "one")
		old := stage.Changed(service, stage.Change{Release: "old"})
		asked := func(status int) *v1.Health {
			health := *service.Health
			health.Status, health.Deadline = status, v1.Duration(3*time.Second)
			return &health
		}
		s.StartService(ctx, old)
		s.WaitAnswer(ctx, service.Name, "old")
		pid := s.Info(ctx, service.Name).PID
		l := s.StartLoad(ctx, few(service.Name))

		By("a bad one, whose check the old one cannot pass either")
		bad := stage.Changed(service, stage.Change{Release: "bad", Settings: set("health-status", "500")})
		bad.Health = asked(204)
		s.Apply(ctx, bad)
		s.WaitBad(ctx, bad, old)
		Expect(s.Info(ctx, service.Name).PID).To(Equal(pid))

		By("a good one, whose check the old one cannot pass")
		next := stage.Changed(service, stage.Change{Release: "next", Settings: set("health-status", "418")})
		next.Health = asked(418)
		s.Apply(ctx, next)
		s.WaitAtRest(ctx, next)
		report := l.End()
		Expect(report.Total().Failed).To(BeZero(), "%s", report)
		Expect(report.Total().Releases).To(And(HaveKey("old"), HaveKey("next"), Not(HaveKey("bad"))))
	})
})
