package deploy_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/suites/stage"
)

// metricsAddress is where biz's configuration lets Prometheus ask, too.
const metricsAddress = "127.0.0.1:9464"

const daemon = "biz-deployer.service"

var _ = Describe("The daemon", Ordered, func() {
	const name = "steady"

	BeforeAll(func(ctx SpecContext) {
		s.Deploy(ctx, stage.Web(name, 8120), "two") // both are in the cache then
		s.Push(ctx, name, "one")
		s.WaitAnswer(ctx, name, "one")
		s.WaitSettled(ctx, name)
	})

	// ends a spec in which the daemon was off.
	start := func(ctx context.Context) {
		s.OK(ctx, s.Biz, "systemctl", "start", daemon)
		s.WaitSettled(ctx, name)
	}

	It("goes on where it was, killed at any moment of a rollout", func(ctx SpecContext) {
		const ms = time.Millisecond
		releases := []string{"two", "one"}
		for i, delay := range []time.Duration{0, 40 * ms, 120 * ms, 250 * ms, 500 * ms, 900 * ms} {
			wanted := releases[i%2]
			s.OK(ctx, s.Laptop, "deploy-manifest", "update", name, s.Release(ctx, wanted))
			s.OK(ctx, s.Biz, "systemctl", "reload", daemon)
			time.Sleep(delay)
			Expect(s.Biz.Kill(ctx, daemon, "SIGKILL")).To(Succeed())
			stage.Within(3*time.Second, fmt.Sprintf("killed %s into a rollout → settled", delay), func() {
				s.WaitAnswer(ctx, name, wanted)
				st := s.WaitSettled(ctx, name)
				Expect(st.Serving.StorePath).To(Equal(s.Release(ctx, wanted)))
			})
		}
		s.OK(ctx, s.Laptop, "deploy-manifest", "update", name, s.Release(ctx, "one"))
		s.WaitAnswer(ctx, name, "one")
		s.WaitSettled(ctx, name)
	})

	It("changes nothing when it is killed and started without need", func(ctx SpecContext) {
		before := s.WaitSettled(ctx, name).Slots[v1.Primary].MainPID
		watch := s.StartWatch(ctx, name, "one")
		Expect(s.Biz.Kill(ctx, daemon, "SIGKILL")).To(Succeed())
		s.Shell(ctx, s.Biz, "rm -f /var/lib/biz-deployer/state.json")
		Eventually(ctx, func() (int, error) {
			st, err := s.Service(ctx, name)
			return st.Slots[v1.Primary].MainPID, err
		}).WithTimeout(stage.Patience).Should(Equal(before))
		s.WaitSettled(ctx, name)
		watch.End()
	})

	It("is not needed for what runs: status tells how old it is, and plan looks by itself", func(ctx SpecContext) {
		watch := s.StartWatch(ctx, name, "one")
		root := "/nix/var/nix/gcroots/biz/" + name + "-" + state(ctx, name).Serving.Revision
		DeferCleanup(start)
		s.OK(ctx, s.Biz, "systemctl", "stop", daemon)
		status := s.Run(ctx, s.Biz, "deployerctl", "status")
		Expect(status.Code).To(Equal(4), status.String())
		Expect(status.Out).To(And(MatchRegexp(`THE DAEMON DOES NOT RUN: what follows is \d+s old`), ContainSubstring(name)))

		plan := s.Run(ctx, s.Biz, "deployerctl", "plan", name)
		Expect(plan.Code).To(Equal(0), plan.String())
		Expect(plan.Out).To(ContainSubstring("nothing to do"))
		Expect(plan.Err).To(ContainSubstring("without it"))

		By("and plan sees what somebody broke meanwhile")
		s.OK(ctx, s.Biz, "rm", root)
		plan = s.Run(ctx, s.Biz, "deployerctl", "plan", name, "--exit-code")
		Expect(plan.Code).To(Equal(5), plan.String())
		Expect(plan.Out).To(ContainSubstring("root"))
		Expect(s.Run(ctx, s.Biz, "test", "-L", root).Code).To(Equal(1), "a plan must change nothing")

		Expect(s.Refuses(ctx, s.Biz, 1, "deployerctl", "sync")).To(ContainSubstring("systemctl start biz-deployer"))
		start(ctx)
		s.OK(ctx, s.Biz, "test", "-L", root)
		watch.End()
	})

	It("looks at once at reload and sync, and start on a running one does nothing", func(ctx SpecContext) {
		pid := s.OK(ctx, s.Biz, "systemctl", "show", "-P", "MainPID", daemon)
		s.OK(ctx, s.Biz, "systemctl", "start", daemon)
		s.OK(ctx, s.Biz, "systemctl", "reload", daemon)
		s.OK(ctx, s.Laptop, "deploy-manifest", "update", name, s.Release(ctx, "two"))
		var out string
		stage.Within(2*time.Second, "sync --wait for a release that is in the local store", func() {
			out = s.OK(ctx, s.Biz, "deployerctl", "sync", "--wait")
		})
		Expect(out).To(And(ContainSubstring("is in force"), ContainSubstring(name+": Settled, Healthy")))
		Expect(s.Get(ctx, name, "/")).To(Equal("two"))
		Expect(s.OK(ctx, s.Biz, "systemctl", "show", "-P", "MainPID", daemon)).To(Equal(pid))
		s.OK(ctx, s.Laptop, "deploy-manifest", "update", name, s.Release(ctx, "one"))
		s.OK(ctx, s.Biz, "deployerctl", "sync", "--wait")
	})

	It("does the same once, without a daemon", func(ctx SpecContext) {
		DeferCleanup(start)
		s.OK(ctx, s.Biz, "systemctl", "stop", daemon)
		s.OK(ctx, s.Laptop, "deploy-manifest", "update", name, s.Release(ctx, "two"))
		once := s.Run(ctx, s.Biz, "biz-deployer", "--once")
		Expect(once.Code).To(Equal(0), once.String())
		Expect(s.Get(ctx, name, "/")).To(Equal("two"))
		s.OK(ctx, s.Laptop, "deploy-manifest", "update", name, s.Release(ctx, "one"))
		start(ctx)
		s.WaitAnswer(ctx, name, "one")
	})

	It("leaves at once when another one works already", func(ctx SpecContext) {
		said := s.Refuses(ctx, s.Biz, 1, "biz-deployer")
		Expect(said).To(ContainSubstring("another"))
		s.OK(ctx, s.Biz, "systemctl", "is-active", daemon)
		s.OK(ctx, s.Biz, "deployerctl", "status")
	})

	It("has metrics on its socket, and on the loopback port that the configuration names", func(ctx SpecContext) {
		bySocket := s.OK(ctx, s.Biz, "curl", "-fsS", "--unix-socket", "/run/biz-deployer/control.sock", "http://localhost/metrics")
		byPort := s.OK(ctx, s.Biz, "curl", "-fsS", "http://"+metricsAddress+"/metrics")
		for _, metrics := range []string{bySocket, byPort} {
			Expect(strings.Split(metrics, "\n")).To(ContainElements(
				HavePrefix(`deployer_reconciles_total{controller="service",result="success"} `),
				HavePrefix(`deployer_queue_depth{controller="service"} `),
				HavePrefix(`deployer_queue_oldest_seconds `),
				HavePrefix(`deployer_manifest_age_seconds `),
				Equal(fmt.Sprintf(`deployer_service_state{health="Healthy",service="%s",state="Settled",sync="Synced"} 1`, name)),
			))
		}
		_, _, err := s.Biz.Exec(ctx, "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
			"curl", "-fsS", "--unix-socket", "/run/biz-deployer/control.sock", "http://localhost/v1/status")
		Expect(err).To(HaveOccurred(), "the control socket is for root only")
	})

	It("survives F28: a reboot with the store down and the daemon off serves what was good", func(ctx SpecContext) {
		DeferCleanup(func(ctx SpecContext) {
			Expect(s.Lab.S3.Start(ctx)).To(Succeed())
			s.OK(ctx, s.Biz, "systemctl", "enable", "--quiet", "--now", daemon)
		})
		Expect(s.Lab.S3.Stop(ctx)).To(Succeed())
		s.OK(ctx, s.Biz, "systemctl", "disable", "--quiet", daemon)
		stage.Within(5*time.Second, "reboot → answers, without store and daemon", func() {
			Expect(s.Biz.Reboot(ctx)).To(Succeed())
			s.WaitAnswer(ctx, name, "one")
		})
		Expect(s.Run(ctx, s.Biz, "systemctl", "is-active", daemon).Out).To(Equal("inactive\n"))

		By("and a daemon that cannot reach the store heals the host by what it remembers")
		s.OK(ctx, s.Biz, "systemctl", "enable", "--quiet", "--now", daemon)
		s.OK(ctx, s.Biz, "systemctl", "stop", name)
		s.WaitAnswer(ctx, name, "one")
		Eventually(ctx, func() string { return s.Run(ctx, s.Biz, "deployerctl", "status").Out }).
			WithTimeout(stage.Patience).Should(MatchRegexp(`(?s)generation [1-9]\d* of s3://.*MANIFEST STALE`))

		Expect(s.Lab.S3.Start(ctx)).To(Succeed())
		stage.Within(5*time.Second, "store back → fresh", func() {
			Eventually(ctx, func() (*time.Time, error) {
				state, err := s.HostState(ctx)
				return state.Manifest.StaleSince, err
			}).WithTimeout(stage.Patience).Should(BeNil())
		})
		s.WaitSettled(ctx, name)
	})
})
