package deploy_test

import (
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/suites/stage"
)

var _ = Describe("A service is judged", func() {
	// told waits until the status of the service says this of its newest release.
	told := func(ctx context.Context, name, says string) {
		GinkgoHelper()
		Eventually(ctx, func() string { return s.Run(ctx, s.Biz, "deployerctl", "status", name).Out }).
			WithTimeout(stage.Patience).Should(ContainSubstring(says))
	}
	health := func(h v1.Health) *v1.Health {
		h.Interval, h.Deadline = v1.Duration(100*time.Millisecond), v1.Duration(8*time.Second)
		return &h
	}

	It("by a command of its closure", func(ctx SpecContext) {
		service := stage.Web("checked", 8120)
		service.Health = health(v1.Health{Exec: v1.Command{"bin/app", "mode=check"}})
		s.Deploy(ctx, service, "one")
		// Its exit status is the answer, and nothing that it prints.
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", service.Name, "env.PROGRAM_CHECK_CODE=7")
		told(ctx, service.Name, "exit status 7")
		Expect(s.Run(ctx, s.Biz, "deployerctl", "status", service.Name).Out).NotTo(ContainSubstring("the check fails, as told"))
		Expect(s.OK(ctx, s.Biz, "journalctl", "--unit=checked*.check.service", "--identifier=checked")).To(ContainSubstring("the check fails, as told"))
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", service.Name, "env.PROGRAM_CHECK_CODE=")
		s.WaitSettled(ctx, service.Name)
		Expect(s.OK(ctx, s.Biz, "systemctl", "list-units", "--all", "--plain", "--no-legend", "--state=failed", "*.check.service")).To(BeEmpty())
	})

	It("by what it tells systemd itself", func(ctx SpecContext) {
		service := stage.Web("telling", 8121)
		service.Health = health(v1.Health{Notify: true})
		service.Env["PROGRAM_START_DELAY"] = "3s"
		s.Deploy(ctx, service, "one")
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", service.Name, "env.PROGRAM_NEVER_READY=yes")
		told(ctx, service.Name, "it has not told systemd that it is ready")
		// Whoever waits for it keeps nobody else waiting.
		other := stage.Web("meanwhile", 8122)
		stage.Within(2*time.Second, "a service beside one that never gets ready", func() { s.Deploy(ctx, other, "one") })
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", service.Name, "env.PROGRAM_NEVER_READY=no")
		s.WaitSettled(ctx, service.Name)
	})

	It("by what listens in its control group, be that a child without a name", func(ctx SpecContext) {
		service := stage.Web("wrapped", 8123)
		service.Env["PROGRAM_MODE"], service.Env["PROGRAM_OVERWRITE_TITLE"] = "wrapper", "yes"
		s.Deploy(ctx, service, "one")
		state := s.WaitSettled(ctx, service.Name)
		Expect(state.Serving.Instance).NotTo(BeEmpty(), "what it runs is known though its environment is gone")
	})

	It("with its state directory, which its releases share", func(ctx SpecContext) {
		service := stage.Web("counting", 8124)
		service.StateDirectory = "counting"
		service.Env["PROGRAM_COUNT_STARTS"] = "yes"
		starts := func() int {
			GinkgoHelper()
			body, err := s.Get(ctx, service.Name, "/info")
			Expect(err).NotTo(HaveOccurred())
			var info struct{ Starts int }
			Expect(json.Unmarshal([]byte(body), &info)).To(Succeed())
			return info.Starts
		}
		s.Deploy(ctx, service, "one")
		first := starts()
		s.Push(ctx, service.Name, "two")
		s.WaitSettled(ctx, service.Name)
		s.WaitAnswer(ctx, service.Name, "two")
		Expect(starts()).To(BeNumerically(">", first))
	})
})
