package crash_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/load"
	"deployer/test/suites/stage"
)

var _ = Describe("kill -9 of the daemon", func() {
	// A kill comes somewhere in a rollout, and sometimes another while the next daemon takes up
	// what the last one left.
	It("at random moments of rollouts under load loses no request, and changes no end", func(ctx SpecContext) {
		chance := chances()
		service, bystander := stage.Overlapping("killed", 8400), stage.Overlapping("calm", 8401)
		paths := []string{s.Release(ctx, "one"), s.Release(ctx, "two")}
		bystander.Artifact.StorePath, service.Artifact.StorePath = paths[0], paths[0]
		s.StartService(ctx, stage.Changed(bystander, stage.Change{Release: "calm"}))
		s.StartService(ctx, stage.Changed(service, stage.Change{Release: "start"}))
		s.WaitAnswer(ctx, service.Name, "start")
		s.WaitAnswer(ctx, bystander.Name, "calm")
		writes := s.CaddyWrites(ctx)
		l := s.StartLoad(ctx,
			stage.Asked(service.Name, load.Mix{load.Get: 7, load.Post: 7, load.Slow: 2, load.HTTP2: 4}),
			stage.Asked(bystander.Name, load.Mix{load.Get: 4, load.Post: 4, load.HTTP2: 2, load.WebSocket: 1, load.Download: 1}))
		total, again := stage.Length("DEPLOYER_LOAD_KILLS", 25), 0
		for i := range total {
			next := stage.Changed(service, stage.Change{
				Release: fmt.Sprintf("release-%d", i), StorePath: paths[i%2], Settings: map[string]string{"graceful": []string{"yes", "no"}[i/2%2]},
			})
			By(next.Env["PROGRAM_RELEASE"])
			s.Apply(ctx, next)
			someDeath(chance, i).strike(ctx)
			if chance.IntN(3) == 0 {
				again++
				time.Sleep(time.Second + time.Duration(chance.Int64N(int64(time.Second)))) // systemd waits a second
				s.Run(ctx, s.Biz, "systemctl", "kill", "--signal=SIGKILL", daemon)
			}
			s.WaitAtRest(ctx, next)
		}
		report := l.End()
		AddReportEntry(fmt.Sprintf("load over %d rollouts, in each of which the daemon was killed, in %d twice", total, again),
			report.String(), ReportEntryVisibilityAlways)
		Expect(report.Total().Failed).To(BeZero(), "%s", report)
		Expect(report.Of(bystander.Name, load.WebSocket).Opened).To(Equal(1))
		for i := range total {
			Expect(report.Of(service.Name).Releases).To(HaveKey(fmt.Sprintf("release-%d", i)))
		}
		Expect(s.CaddyWrites(ctx)).To(Equal(writes))
		st, err := s.Service(ctx, service.Name)
		Expect(err).NotTo(HaveOccurred())
		Expect(st.Verdicts).NotTo(ContainElement(HaveField("Result", v1.VerdictBad)))
	})

	It("while a bad release is tried ends with the same verdict", func(ctx SpecContext) {
		chance := chances()
		service := stage.Overlapping("doomed", 8402)
		service.Artifact.StorePath = s.Release(ctx, "one")
		service.Health.Deadline = v1.Duration(3 * time.Second)
		good := stage.Changed(service, stage.Change{Release: "good"})
		s.StartService(ctx, good)
		s.WaitAnswer(ctx, service.Name, "good")
		l := s.StartLoad(ctx, stage.Asked(service.Name, load.Mix{load.Get: 4, load.Post: 4, load.HTTP2: 2}))
		for i := range max(4, stage.Length("DEPLOYER_LOAD_KILLS", 25)/5) {
			settings := []map[string]string{{"mode": "exit"}, {"health-status": "500"}, {"mode": "hang"}, {"unhealthy-after": "800ms"}}[i%4]
			bad := stage.Changed(service, stage.Change{Release: fmt.Sprintf("bad-%d", i), Settings: settings})
			bad.Deploy.Soak = v1.Duration(3 * time.Second)
			s.Apply(ctx, bad)
			someDeath(chance, i).strike(ctx)
			s.WaitBad(ctx, bad, good)
		}
		s.Apply(ctx, good)
		s.WaitAtRest(ctx, good)
		report := l.End()
		Expect(report.Total().Failed).To(BeZero(), "%s", report)
	})
})
