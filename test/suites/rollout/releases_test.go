package rollout_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/load"
	"deployer/test/suites/stage"
)

// 32 connections: A's are short, for a long one is allowed to keep a slot of A busy; B has one
// of each long kind, which nothing that happens to A may touch.
func targets(a, b string) []load.Target {
	return []load.Target{
		stage.Asked(a, load.Mix{load.Get: 6, load.Post: 6, load.Slow: 2, load.HTTP2: 3}),
		stage.Asked(b, load.Mix{load.Get: 5, load.Post: 5, load.HTTP2: 3, load.WebSocket: 1, load.Download: 1}),
	}
}

var _ = Describe("Under load", Ordered, func() {
	const a, b = "alpha", "beta"
	var (
		storePaths []string
		base, good v1.Service
	)

	BeforeAll(func(ctx SpecContext) {
		for _, name := range closures() {
			storePaths = append(storePaths, s.Release(ctx, name))
		}
		base = stage.Overlapping(a, 8310)
		good = release(base, "good-0", 0, storePaths)
		s.StartService(ctx, good)
		s.StartService(ctx, release(stage.Overlapping(b, 8311), "beta", 0, storePaths))
		s.WaitAnswer(ctx, a, "good-0")
		s.WaitAnswer(ctx, b, "beta")
	})

	It("releases, every third of them bad, in up to thirteen ways, lose no request of anybody", func(ctx SpecContext) {
		total := stage.Length("DEPLOYER_LOAD_RELEASES", 15)
		writes, config := s.CaddyWrites(ctx), s.CaddyConfig(ctx)
		Expect(writes).To(BeNumerically(">", 0), "the routes themselves were written, and counted")
		l := s.StartLoad(ctx, targets(a, b)...)
		r := &run{base: base, good: good, storePaths: storePaths}
		for i := 1; i <= total; i++ {
			if i%3 == 0 && r.wayLeft() {
				r.tryBad(ctx, i)
			} else {
				r.tryGood(ctx, i)
			}
		}
		r.tryGood(ctx, total+1) // for the last one may have been bad
		good = r.good
		s.WaitAtRest(ctx, good)
		report := l.End()
		AddReportEntry("load during releases that overlap", report.String(), ReportEntryVisibilityAlways)
		AddReportEntry("times", r.times(), ReportEntryVisibilityAlways)

		By("and every good one was seen, and none that was never well")
		Expect(r.bad).To(BeNumerically(">=", min(10, total/3)))
		Expect(report.Total().Failed).To(BeZero(), report.String())
		seen := report.Of(a).Releases
		for _, name := range r.seen {
			Expect(seen).To(HaveKey(name))
		}
		for _, name := range r.unseen {
			Expect(seen).NotTo(HaveKey(name))
		}
		Expect(report.Of(b).Releases).To(HaveLen(1))

		By("and B's websocket and downloads were never cut, and no connection was made twice")
		Expect(report.Of(b, load.WebSocket).Opened).To(Equal(1))
		Expect(report.Of(b, load.Download).Requests).To(BeNumerically(">=", 1))
		Expect(report.Total().Opened).To(Equal(report.Total().Connections))

		By("and Caddy was not written to")
		Expect(s.CaddyWrites(ctx)).To(Equal(writes))
		Expect(s.CaddyConfig(ctx)).To(Equal(config))

		By("and each verdict said what was wrong")
		Expect(r.wrong).To(BeEmpty())
	})

	It("restarts in place, for comparison", func(ctx SpecContext) {
		inPlace := base
		inPlace.Deploy.Strategy = v1.StrategyReplace
		s.Apply(ctx, release(inPlace, "place-0", 0, storePaths))
		s.WaitGood(ctx, release(inPlace, "place-0", 0, storePaths))
		l := s.StartLoad(ctx, targets(a, b)...)
		const total = 10
		for i := 1; i <= total; i++ {
			next := release(inPlace, fmt.Sprintf("place-%d", i), i, storePaths)
			s.Apply(ctx, next)
			s.WaitGood(ctx, next)
		}
		report := l.End()
		AddReportEntry(fmt.Sprintf("the same load during %d restarts in place", total), report.String(), ReportEntryVisibilityAlways)
		Expect(report.Of(b).Failed).To(BeZero(), "%s", report)
		Expect(report.Of(a).Requests).To(BeNumerically(">", 0))
		s.Apply(ctx, good)
		s.WaitGood(ctx, good)
	})
})

// run goes from release to release.
type run struct {
	base, good v1.Service
	storePaths []string
	bad        int
	// seen are releases that must have answered, unseen those that must not.
	seen, unseen []string
	took, wrong  []string
}

func (r *run) wayLeft() bool { return r.bad < len(ways()) }

func (r *run) tryGood(ctx context.Context, i int) {
	name := fmt.Sprintf("good-%d", i)
	next := release(r.base, name, i, r.storePaths)
	began := time.Now()
	s.Apply(ctx, next)
	s.WaitGood(ctx, next)
	r.note(name, began)
	r.good = next
	r.seen = append(r.seen, name)
}

func (r *run) tryBad(ctx context.Context, i int) {
	w := ways()[r.bad]
	r.bad++
	name := fmt.Sprintf("bad-%d", i)
	By(name + " " + w.what)
	next := spoilt(release(r.base, name, i, r.storePaths), w, name)
	began := time.Now()
	s.Apply(ctx, next)
	verdict, st := s.WaitBad(ctx, next, r.good)
	r.note(name+" ("+w.what+")", began)
	// All that is wrong with verdicts is told together, at the end.
	r.wrong = append(r.wrong, InterceptGomegaFailures(func() {
		expectVerdict(w, verdict)
		expectStatus(ctx, st, verdict)
	})...)
	if !w.live {
		r.unseen = append(r.unseen, name)
	}
}

// expectVerdict: it has the reason, and somewhere what was seen.
func expectVerdict(w way, v v1.Verdict) {
	GinkgoHelper()
	if w.reason != "" {
		Expect(v.Reason).To(Equal(w.reason), "%s: %s", w.what, v.Message)
	}
	Expect(v.Evidence).NotTo(BeNil(), w.what)
	seen := []string{v.Message, v.Evidence.Signal, v.Evidence.ProbeAnswer, strings.Join(v.Evidence.Log, "\n")}
	if v.Evidence.ExitStatus != nil {
		seen = append(seen, fmt.Sprintf("exit status %d", *v.Evidence.ExitStatus))
	}
	Expect(strings.Join(seen, "\n")).To(ContainSubstring(w.says), w.what)
}

// expectStatus: people see it, too, and programs by the exit code.
func expectStatus(ctx context.Context, st v1.ServiceState, v v1.Verdict) {
	GinkgoHelper()
	Expect(st.Health).To(Equal(v1.Healthy), st.Message)
	status := s.Run(ctx, s.Biz, "deployerctl", "status", st.Name)
	Expect(status.Code).To(Equal(3), status.String())
	Expect(status.Out).To(And(ContainSubstring("Stalled"), ContainSubstring("RolledBack"), ContainSubstring(v.Reason)))
	ready := v1.FindCondition(st.Conditions, v1.Ready)
	Expect(ready).NotTo(BeNil())
	Expect(ready.Status).To(Equal(v1.False))
}

func (r *run) note(what string, began time.Time) {
	r.took = append(r.took, fmt.Sprintf("%s %s", time.Since(began).Round(time.Millisecond), what))
}

func (r *run) times() string { return strings.Join(r.took, "\n") }
