package rollout_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/closure"
	"deployer/test/load"
	"deployer/test/suites/stage"
)

// few connections are enough to see whether a program's own ways lose requests.
func few(name string) load.Target {
	return stage.Asked(name, load.Mix{load.Get: 3, load.Post: 3, load.Slow: 1, load.HTTP2: 1})
}

var _ = Describe("A program", func() {
	// goes through a good release, a bad one and a fix, and loses nothing.
	goes := func(ctx context.Context, service v1.Service) {
		GinkgoHelper()
		service.Artifact.StorePath = s.Release(ctx, "one")
		one, two := stage.Changed(service, stage.Change{Release: "one"}), stage.Changed(service, stage.Change{Release: "two", StorePath: s.Release(ctx, "two")})
		s.StartService(ctx, one)
		s.WaitAnswer(ctx, service.Name, "one")
		l := s.StartLoad(ctx, few(service.Name))
		s.Apply(ctx, two)
		s.WaitAtRest(ctx, two)
		bad := spoilt(two, way{settings: set("health-status", "500")}, "bad")
		s.Apply(ctx, bad)
		s.WaitBad(ctx, bad, two)
		s.Apply(ctx, one)
		s.WaitAtRest(ctx, one)
		report := l.End()
		Expect(report.Total().Failed).To(BeZero(), "%s", report)
		Expect(report.Total().Releases).To(And(HaveLen(2), HaveKey("one"), HaveKey("two")), "%s", report)
	}

	It("whose server is a child, as with Python's wrappers, loses no request", func(ctx SpecContext) {
		service := stage.Overlapping("wrapped", 8320)
		service.Env["PROGRAM_MODE"] = "wrapper"
		goes(ctx, service)
	})

	It("that overwrites its own title and environment loses no request", func(ctx SpecContext) {
		service := stage.Overlapping("titled", 8321)
		service.Env["PROGRAM_OVERWRITE_TITLE"] = "yes"
		goes(ctx, service)
	})

	It("that starts slowly loses no request", func(ctx SpecContext) {
		service := stage.Overlapping("sluggish", 8322)
		service.Env["PROGRAM_START_DELAY"] = "2s"
		goes(ctx, service)
	})

	It("that ignores SIGTERM loses no request, and is killed in the end", func(ctx SpecContext) {
		service := stage.Overlapping("stubborn", 8323)
		service.Env["PROGRAM_IGNORE_SIGTERM"] = "yes"
		service.Artifact.StorePath = s.Release(ctx, "one")
		one, two := stage.Changed(service, stage.Change{Release: "one"}), stage.Changed(service, stage.Change{Release: "two"})
		s.StartService(ctx, one)
		s.WaitAnswer(ctx, service.Name, "one")
		// systemd would kill it after 30 s; so long nobody wants to wait for each of its ends.
		s.OK(ctx, s.Biz, "systemd-run", "--quiet", "--unit=impatient", "sh", "-c", `while sleep 2; do
			for unit in stubborn stubborn-standby; do
				[ "$(systemctl is-active $unit)" != deactivating ] || { sleep 3; systemctl kill --signal=KILL $unit; echo killed; }
			done
		done`)
		DeferCleanup(func(ctx SpecContext) {
			s.Remove(ctx, service.Name)
			s.OK(ctx, s.Biz, "systemctl", "stop", "impatient")
		})
		l := s.StartLoad(ctx, few(service.Name))
		s.Apply(ctx, two)
		s.WaitAtRest(ctx, two)
		report := l.End()
		Expect(report.Total().Failed).To(BeZero(), "%s", report)
		Expect(report.Total().Releases).To(HaveKey("two"))
		Expect(s.Said(ctx, "sh", "killed")).To(BeNumerically(">=", 2), "the old primary and the standby")
	})

	It("that ignores PORT is not judged, goes on with the old release, and people are told to restart it in place", func(ctx SpecContext) {
		service := stage.Overlapping("fixed", 8324)
		fixed := closure.Spec{Name: "app", Release: "fixed", Settings: set("port", "8324", "ignore-port", "yes")}
		path := s.Build(ctx, s.Laptop, fixed)
		s.OK(ctx, s.Laptop, "deploy-push", stage.Carrier, path)
		service.Artifact.StorePath = path
		one, two := stage.Changed(service, stage.Change{Release: "one"}), stage.Changed(service, stage.Change{Release: "two"})
		s.StartService(ctx, one)
		s.WaitAnswer(ctx, service.Name, "one")
		l := s.StartLoad(ctx, few(service.Name))
		s.Apply(ctx, two)
		st := s.WaitReason(ctx, service.Name, "PortIgnored")
		Expect(st.Message).To(And(ContainSubstring("PORT"), ContainSubstring("deploy.strategy=replace")))
		Expect(st.Verdicts).NotTo(ContainElement(HaveField("Result", v1.VerdictBad)), "it is no worse than the one before")
		Expect(st.Serving.Revision).To(Equal(one.Release().Revision()))
		report := l.End()
		Expect(report.Total().Failed).To(BeZero(), "%s", report)
		Expect(report.Total().Releases).To(HaveLen(1))

		By("and does what was advised")
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", service.Name, "deploy.strategy=replace")
		two.Deploy.Strategy = v1.StrategyReplace
		s.WaitAtRest(ctx, two)
		s.WaitAnswer(ctx, service.Name, "two")
	})

	It("with a state directory is restarted in place, and keeps its state", func(ctx SpecContext) {
		service := stage.Overlapping("stateful", 8325)
		service.StateDirectory, service.Deploy.Strategy = "stateful", ""
		service.Env["PROGRAM_COUNT_STARTS"] = "yes"
		service.Artifact.StorePath = s.Release(ctx, "one")
		one, two := stage.Changed(service, stage.Change{Release: "one"}), stage.Changed(service, stage.Change{Release: "two"})
		st := s.StartService(ctx, one)
		Expect(st.Strategy).To(Equal(v1.StrategyReplace))
		Expect(st.StrategyReason).To(ContainSubstring("stateDirectory"))
		Expect(s.Info(ctx, service.Name).Starts).To(Equal(1))
		s.Apply(ctx, two)
		s.WaitAtRest(ctx, two)
		Expect(s.Info(ctx, service.Name).Starts).To(Equal(2))
		bad := spoilt(two, way{settings: set("mode", "exit")}, "bad")
		s.Apply(ctx, bad)
		s.WaitBad(ctx, bad, two)
		Expect(s.Info(ctx, service.Name)).To(And(HaveField("Starts", 3), HaveField("Release", "two")))
	})

	It("without http is good when it stays, bad when it does not, and comes back", func(ctx SpecContext) {
		worker := stage.Overlapping("toiler", 0)
		worker.HTTP, worker.Health, worker.Env = nil, nil, map[string]string{"PROGRAM_MODE": "worker"}
		worker.Deploy.Strategy = ""
		worker.Artifact.StorePath = s.Release(ctx, "one")
		one, two := stage.Changed(worker, stage.Change{Release: "one"}), stage.Changed(worker, stage.Change{Release: "two"})
		s.StartService(ctx, one)
		s.Apply(ctx, two)
		s.WaitAtRest(ctx, two)
		bad := stage.Changed(two, stage.Change{Release: "bad", Settings: set("exit-after", "300ms", "exit-code", "9")})
		s.Apply(ctx, bad)
		verdict, _ := s.WaitBad(ctx, bad, two)
		Expect(verdict.Reason).To(Equal("Exited"))
		Expect(strings.Join(verdict.Evidence.Log, "\n")).To(ContainSubstring("exiting with 9, as told"))
		Expect(s.OK(ctx, s.Biz, "deployerctl", "logs", worker.Name)).To(ContainSubstring("release two working"))
		s.Apply(ctx, one)
		s.WaitAtRest(ctx, one)
	})
})

var _ = Describe("Long requests", func() {
	It("to the service itself end whole while releases come and go, when drain lets them", func(ctx SpecContext) {
		service := stage.Overlapping("patient", 8326)
		service.Artifact.StorePath = s.Release(ctx, "one")
		service.Deploy.Drain = v1.Duration(40 * time.Second)
		one, two := stage.Changed(service, stage.Change{Release: "one"}), stage.Changed(service, stage.Change{Release: "two"})
		s.StartService(ctx, one)
		s.WaitAnswer(ctx, service.Name, "one")
		l := s.StartLoad(ctx, stage.Asked(service.Name, load.Mix{load.Get: 2, load.Download: 1}))
		s.Apply(ctx, two)
		s.WaitAnswer(ctx, service.Name, "two")
		Eventually(ctx, func() (v1.State, error) {
			st, err := s.Service(ctx, service.Name)
			return st.State, err
		}).WithTimeout(2 * stage.Patience).WithPolling(time.Second).Should(Equal(v1.Settled))
		report := l.End()
		Expect(report.Total().Failed).To(BeZero(), "%s", report)
		Expect(report.Of(service.Name, load.Download).Releases).To(HaveKey("one"), "the download began with release one: %s", report)
	})

	It("are cut when drain is over, and not before", func(ctx SpecContext) {
		service := stage.Overlapping("hasty", 8327)
		service.Artifact.StorePath = s.Release(ctx, "one")
		service.Deploy.Drain = v1.Duration(3 * time.Second)
		one, two := stage.Changed(service, stage.Change{Release: "one"}), stage.Changed(service, stage.Change{Release: "two"})
		s.StartService(ctx, one)
		s.WaitAnswer(ctx, service.Name, "one")
		l := s.StartLoad(ctx, stage.Asked(service.Name, load.Mix{load.Get: 2, load.WebSocket: 1}))
		began := time.Now()
		s.Apply(ctx, two)
		s.WaitGood(ctx, two)
		report := l.End()
		Expect(report.Of(service.Name, load.Get).Failed).To(BeZero(), "%s", report)
		Expect(report.Of(service.Name, load.WebSocket).Failed).To(Equal(1), "%s", report)
		Expect(report.Failures[0].Time.Sub(began)).To(BeNumerically(">", 3*time.Second))
	})
})
