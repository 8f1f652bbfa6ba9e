package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/control"
	"deployer/controllers"
	"deployer/controllers/service"
	"deployer/controllers/tell"
	"deployer/providers"
	"deployer/providers/statefile"
)

const badRelease, goodRelease = "1lt2kb4ngvs1", "1kd8qv3m0a5c"

// rolledBack is web after a release that ended with status 3, two minutes ago.
func rolledBack() v1.ServiceState {
	status := 3
	s := healthy("web")
	s.State, s.Sync, s.Reason, s.Message = v1.Stalled, v1.OutOfSync, "RolledBack", badRelease+" was rolled back: it ended by itself"
	s.Desired, s.Serving.Revision, s.Serving.Instance = v1.Target{Revision: badRelease, StorePath: "/nix/store/y-web"}, goodRelease, goodRelease+"-none"
	s.Evidence = &v1.Evidence{ExitStatus: &status, Log: []string{"2026-11-26T02:51:55.090Z web[7]: panic: no database"}}
	s.Verdicts = []v1.Verdict{
		{Instance: badRelease + "-none", Result: v1.VerdictBad, Reason: "Exited", Message: "it ended by itself", At: time.Now().Add(-2 * time.Minute), Evidence: s.Evidence},
		{Instance: goodRelease + "-none", Result: v1.VerdictSoaked, Reason: "Soaked", At: time.Now().Add(-2 * time.Hour)},
	}
	return s
}

func deployments() []v1.Deployment {
	began := time.Date(2026, 1, 26, 2, 51, 7, 0, time.UTC)
	return []v1.Deployment{
		{
			Service: "web", Target: v1.Target{Revision: badRelease, Commit: "3f2a9c1d7b2e4f6a"}, By: "ann@laptop", Began: began,
			EndedAt: began.Add(58 * time.Second), Outcome: v1.OutcomeRolledBack, Reason: "Exited", Detail: "it ended by itself (exit status 3)",
		},
		{
			Service: "web", Target: v1.Target{Revision: goodRelease}, By: "bob@laptop", Message: "new prices", Began: began.Add(-2 * time.Hour),
			LiveAt: began.Add(-2*time.Hour + 350*time.Millisecond), EndedAt: began.Add(-2*time.Hour + 12*time.Second), Outcome: v1.OutcomeSettled,
		},
	}
}

var _ = Describe("why", func() {
	facts := func() tell.Facts {
		s := rolledBack()
		return tell.Facts{Service: "web", Host: "biz", State: &s, Verdicts: s.Verdicts}
	}

	It("has the reason in its first two lines, and ends with 0 when it could tell", func() {
		code, out, stderr := run(daemon(map[string]any{control.PathWhy: facts()}), "why", "web")
		Expect(code).To(Equal(cli.ExitOK), stderr)
		lines := strings.Split(out, "\n")
		Expect(lines[0]).To(Equal("web on biz: release " + badRelease + " was rolled back 2 min ago, because its program ended by itself with exit status 3; its last words: panic: no database."))
		Expect(lines[1]).To(ContainSubstring("nothing is down"))
	})

	It("gives programs the words and the facts", func() {
		code, out, _ := run(daemon(map[string]any{control.PathWhy: facts()}), "why", "web", "-o", "json")
		Expect(code).To(Equal(cli.ExitOK))
		var got told
		Expect(json.Unmarshal([]byte(out), &got)).To(Succeed())
		Expect(got.Reason).To(Equal("RolledBack"))
		Expect(got.Short[0]).To(ContainSubstring("exit status 3"))
		Expect(got.Facts.Verdicts).To(HaveLen(2))
	})

	It("ends with 4 when nothing is known", func() {
		code, out, stderr := run(daemon(map[string]any{control.PathWhy: tell.Facts{Service: "nope", Host: "biz"}}), "why", "nope")
		Expect(code).To(Equal(cli.ExitUnknown))
		Expect(out).To(BeEmpty())
		Expect(stderr).To(ContainSubstring("nothing is known of a service nope on biz"))
	})
})

var _ = Describe("without a daemon", func() {
	var dir, socket string
	BeforeEach(func(ctx SpecContext) {
		dir = GinkgoT().TempDir()
		socket = filepath.Join(dir, "none.sock")
		f, err := statefile.Open(statefile.Options{Paths: providers.Paths{StateDir: dir}})
		Expect(err).NotTo(HaveOccurred())
		state := hostWith(rolledBack())
		state.APIVersion, state.Kind, state.UpdatedAt = v1.APIVersion, v1.KindHostState, time.Now().Add(-3*time.Minute)
		Expect(f.SaveState(ctx, state)).To(Succeed())
		for _, d := range deployments() {
			Expect(f.SaveDeployment(ctx, d)).To(Succeed())
		}
		Expect(f.Record(ctx, v1.Event{Time: time.Now(), Service: "web", Revision: badRelease, Reason: "JudgedBad", Message: "it ended by itself"})).To(Succeed())
		Expect(f.Close()).To(Succeed())
	})

	It("why tells from its files, and says how old they are", func() {
		code, out, stderr := runIn(dir, socket, "why", "web")
		Expect(code).To(Equal(cli.ExitOK), stderr)
		lines := strings.Split(out, "\n")
		Expect(lines[0]).To(ContainSubstring("exit status 3"))
		Expect(lines[2]).To(Equal("Note: THE DAEMON DOES NOT RUN: this is what it wrote 3 min ago; `systemctl start biz-deployer`"))
		Expect(out).To(ContainSubstring("judged bad: it ended by itself"))
		Expect(out).NotTo(ContainSubstring("not all is known"))
	})

	It("why says what it could not read", func() {
		Expect(os.WriteFile(filepath.Join(dir, "holds.json"), []byte("{"), 0o644)).To(Succeed())
		code, out, _ := runIn(dir, socket, "why", "web")
		Expect(code).To(Equal(cli.ExitOK))
		Expect(out).To(ContainSubstring("Note: not all is known: reading holds.json"))
	})

	It("history lists from its files", func() {
		code, out, _ := runIn(dir, socket, "history", "web")
		Expect(code).To(Equal(cli.ExitOK))
		Expect(out).To(ContainSubstring("RolledBack"))
	})

	It("both end with 4 where there is nothing to read, and say that the daemon is down", func() {
		empty := GinkgoT().TempDir()
		code, _, stderr := runIn(empty, socket, "why", "web")
		Expect(code).To(Equal(cli.ExitUnknown))
		Expect(stderr).To(ContainSubstring("systemctl start biz-deployer"))
		code, _, stderr = runIn(empty, socket, "history", "web")
		Expect(code).To(Equal(cli.ExitUnknown))
		Expect(stderr).To(ContainSubstring("no deployment of web is recorded"))
	})

	It("the shell still completes the names that were known", func() {
		code, out, _ := runIn(dir, socket, "__complete", "why", "")
		Expect(code).To(Equal(cli.ExitOK))
		Expect(out).To(HavePrefix("web\n"))
	})
})

var _ = Describe("history", func() {
	socket := func() string {
		return daemon(map[string]any{control.PathHistory: control.HistoryAnswer{Deployments: deployments()}})
	}
	It("is newest first, with how long it took, who wanted it and how it ended", func() {
		code, out, _ := run(socket(), "history", "web")
		Expect(code).To(Equal(cli.ExitOK))
		lines := strings.Split(strings.TrimSpace(out), "\n")
		Expect(lines).To(HaveLen(3))
		Expect(lines[0]).To(MatchRegexp(`^BEGAN \(UTC\) +LIVE AFTER +OVER AFTER +REVISION +COMMIT +BY +OUTCOME +REASON$`))
		Expect(lines[1]).To(MatchRegexp(`^2026-01-26 02:51:07 +- +58 s +` + badRelease + ` +3f2a9c1d7b2e +ann@laptop +RolledBack +Exited: it ended by itself \(exit status 3\)$`))
		Expect(lines[2]).To(MatchRegexp(`^2026-01-26 00:51:07 +350 ms +12 s +` + goodRelease + ` +- +bob@laptop +Settled +new prices$`))
	})

	It("is data for programs", func() {
		for _, format := range []string{"json", "yaml"} {
			code, out, _ := run(socket(), "history", "web", "-o", format)
			Expect(code).To(Equal(cli.ExitOK))
			Expect(out).To(ContainSubstring("RolledBack"))
		}
	})
})

var _ = Describe("status", func() {
	It("tells of a service that was rolled back: 3, verdicts, evidence, and where to read on", func() {
		s := rolledBack()
		s.Strategy, s.StrategyReason = v1.StrategyOverlap, "it takes its port from PORT and has no stateDirectory"
		for range 30 {
			s.Evidence.Log = append(s.Evidence.Log, "the same line")
		}
		code, out, _ := run(daemon(map[string]any{control.PathStatus: hostWith(s)}), "status", "web")
		Expect(code).To(Equal(cli.ExitFailed))
		Expect(out).To(MatchRegexp(`strategy +overlap, for it takes its port from PORT`))
		Expect(out).To(MatchRegexp(`(?m)^` + badRelease + `-none +bad +2m +Exited: it ended by itself$`))
		Expect(out).To(MatchRegexp(`(?m)^` + goodRelease + `-none +soaked +2h0m +Soaked$`))
		Expect(out).To(ContainSubstring("last exit  status 3"))
		Expect(strings.Count(out, "the same line")).To(Equal(20))
		Expect(out).To(ContainSubstring("`deployerctl why web` tells how it came to that"))
	})

	It("tells of a hold, and of a service that somebody else manages", func() {
		until := time.Now().Add(2*time.Hour + time.Second)
		held, healed := healthy("api"), healthy("web")
		held.State, held.Sync, held.Reason, held.Message = v1.HeldState, v1.Held, "Held", "held by ann"
		held.Hold = &v1.Hold{Owner: "ann@biz", Reason: "load test", Until: &until}
		healed.Healed = &v1.Healed{Count: 3, Last: time.Now().Add(-20 * time.Second), What: "unit file"}
		socket := daemon(map[string]any{control.PathStatus: hostWith(held, healed)})
		code, out, _ := run(socket, "status", "api")
		Expect(code).To(Equal(cli.ExitOK))
		Expect(out).To(MatchRegexp(`hold +ann@biz until .* UTC \(in 2 h.*\): load test`))
		_, out, _ = run(socket, "status")
		Expect(out).To(MatchRegexp(`(?m)^web .*healed 3 times in 10 min, last 20 s ago \(unit file\): somebody else manages this$`))
		_, out, _ = run(socket, "status", "web")
		Expect(out).To(MatchRegexp(`healed +3 times in 10 min`))
	})
})

var _ = Describe("plan", func() {
	It("says how releases are changed, and why so", func() {
		plan := service.Plan{Service: "web", Strategy: v1.StrategyReplace, StrategyReason: "it has no http"}
		socket := daemon(map[string]any{control.PathPlan: control.PlanAnswer{Plans: []service.Plan{plan}}})
		code, out, _ := run(socket, "plan", "web")
		Expect(code).To(Equal(cli.ExitOK))
		Expect(out).To(ContainSubstring("  strategy replace, for it has no http\n"))
		_, out, _ = run(socket, "plan", "web", "-o", "json")
		Expect(out).To(And(ContainSubstring(`"service": "web"`), ContainSubstring(`"strategyReason": "it has no http"`)))
	})
})

var _ = Describe("retry", func() {
	answer := control.RetryAnswer{Verdict: v1.Verdict{Instance: badRelease + "-none", Reason: "Exited", At: time.Now().Add(-3 * time.Minute)}}

	It("says what is tried again, and what was wrong with it", func() {
		code, out, _ := run(daemon(map[string]any{control.PathRetry: answer}), "retry", "web")
		Expect(code).To(Equal(cli.ExitOK))
		Expect(out).To(HavePrefix("web: " + badRelease + "-none is tried again; it was judged bad 3 min ago (Exited)\n"))
	})

	It("waits for that service alone, and ends with 3 when it fails again", func() {
		other := rolledBack()
		other.Name = "api"
		socket := daemon(map[string]any{control.PathRetry: answer, control.PathStatus: hostWith(other, healthy("web")), control.PathPlan: control.PlanAnswer{}})
		code, out, stderr := run(socket, "retry", "web", "--wait")
		Expect(code).To(Equal(cli.ExitOK), stderr)
		Expect(out).NotTo(ContainSubstring("api"))
		code, _, _ = run(daemon(map[string]any{control.PathRetry: answer, control.PathStatus: hostWith(rolledBack())}), "retry", "web", "--wait")
		Expect(code).To(Equal(cli.ExitFailed))
	})

	It("passes on why there is nothing to retry", func() {
		no := control.ErrorAnswer{Error: "web has nothing to retry: 1abc was not judged bad", Reason: "NothingToRetry"}
		code, _, stderr := run(daemon(map[string]any{control.PathRetry: no}), "retry", "web")
		Expect(code).To(Equal(cli.ExitError))
		Expect(stderr).To(Equal("deployerctl: web has nothing to retry: 1abc was not judged bad\n"))
	})

	It("ends with 4 for a service that is not here", func() {
		no := control.ErrorAnswer{Error: "no service web is known on biz", Reason: controllers.ServiceUnknown}
		for _, args := range [][]string{{"retry", "web"}, {"unhold", "web"}, {"hold", "web", "--reason", "x"}} {
			socket := daemon(map[string]any{control.PathRetry: no, control.PathUnhold: no, control.PathHold: no})
			code, _, _ := run(socket, args...)
			Expect(code).To(Equal(cli.ExitUnknown), args[0])
		}
	})
})

var _ = Describe("hold", func() {
	It("is two hours of the person who asks, unless they say otherwise", func() {
		code, out, _ := run(daemon(map[string]any{control.PathHold: control.HoldAnswer{}}), "hold", "web", "--reason", "load test")
		Expect(code).To(Equal(cli.ExitOK))
		Expect(out).To(MatchRegexp(`^web is held on this host by ann@biz until .* UTC \(in 2 h\): load test\n`))
		Expect(out).To(ContainSubstring("`deployerctl unhold web` ends it"))
	})

	It("says whose hold it takes the place of", func() {
		before := control.HoldAnswer{Before: &v1.Hold{Owner: "bob@biz", Reason: "the disk", Forever: true}}
		_, out, _ := run(daemon(map[string]any{control.PathHold: before}), "hold", "web", "--reason", "load test", "--forever")
		Expect(out).To(ContainSubstring("web is held on this host by ann@biz, forever: load test\nthat takes the place of the hold by bob@biz, forever: the disk\n"))
	})

	It("wants a reason", func() {
		code, _, stderr := run(daemon(nil), "hold", "web")
		Expect(code).To(Equal(cli.ExitUsage))
		Expect(stderr).To(ContainSubstring("say why with --reason"))
	})
})

var _ = DescribeTable("unhold ends the hold of this host, and names that of the manifest", func(u controllers.Unheld, code int, text string) {
	got, out, stderr := run(daemon(map[string]any{control.PathUnhold: u}), "unhold", "web")
	Expect(got).To(Equal(code))
	Expect(out + stderr).To(Equal(text))
},
	Entry("it was held here", controllers.Unheld{Was: &v1.Hold{Owner: "ann@biz", Forever: true}}, cli.ExitOK,
		"web: the hold by ann@biz, forever is over\n"),
	Entry("it was not held: as wanted", controllers.Unheld{}, cli.ExitOK, "web is not held\n"),
	Entry("only the manifest holds it", controllers.Unheld{Stays: &v1.Hold{Owner: "bob@laptop", Forever: true}}, cli.ExitError,
		"deployerctl: web is held in the manifest, by bob@laptop, forever: `deploy-manifest unhold web` ends that, for all hosts\n"),
	Entry("both did", controllers.Unheld{Was: &v1.Hold{Owner: "ann@biz", Forever: true}, Stays: &v1.Hold{Owner: "bob@laptop", Forever: true}}, cli.ExitOK,
		"web: the hold by ann@biz, forever is over\nbut web is held in the manifest, by bob@laptop, forever: `deploy-manifest unhold web` ends that, for all hosts\n"),
)
