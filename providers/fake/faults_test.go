package fake_test

import (
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
)

// crashing runs something up to its crash.
func crashing(do func()) (crash fake.Crash, crashed bool) {
	defer func() {
		if r := recover(); r != nil {
			crash, crashed = r.(fake.Crash)
		}
	}()
	do()
	return crash, crashed
}

var _ = Describe("harm", func() {
	var w *fake.World
	BeforeEach(func() { w = fake.New() })

	It("logs every call and tells effects from observations", func() {
		prepare(w, 1, v1.Primary)
		facts(w, v1.Primary)
		Expect(w.Calls()[len(w.Calls())-1]).To(Equal("units.Observe web primary"))
		Expect(w.Effects()).To(HaveLen(5))
		Expect(w.Effects()[4]).To(Equal("units.Install web primary"))
	})

	It("fails the next call, all calls, or loses an answer", func() {
		broken := errors.New("broken")
		roots := w.Host().Closures
		w.FailNext("closures.Root a", broken)
		Expect(roots.Root(ctx, "b", path(1))).To(Succeed())
		Expect(roots.Root(ctx, "a", path(1))).To(MatchError(broken))
		Expect(roots.Root(ctx, "a", path(1))).To(Succeed())

		w.Fail("closures.Roots", broken)
		for range 2 {
			_, err := roots.Roots(ctx)
			Expect(err).To(MatchError(broken))
		}
		w.Heal("")
		w.LoseAnswer("closures.Unroot", broken)
		Expect(roots.Unroot(ctx, "a")).To(MatchError(broken))
		Expect(roots.Roots(ctx)).To(HaveLen(1))
	})

	It("crashes before or after an effect, and goes on for the next controller", func() {
		roots := w.Host().Closures
		w.CrashAt(2, fake.Before)
		crash, crashed := crashing(func() {
			_ = roots.Root(ctx, "a", path(1))
			_, _ = roots.Roots(ctx)
			_ = roots.Root(ctx, "b", path(1))
		})
		Expect(crashed).To(BeTrue())
		Expect(crash.Call).To(Equal("closures.Root b " + path(1)))
		Expect(roots.Roots(ctx)).To(HaveLen(1))

		w.CrashAt(1, fake.After)
		_, crashed = crashing(func() { _ = roots.Root(ctx, "b", path(1)) })
		Expect(crashed).To(BeTrue())
		Expect(roots.Roots(ctx)).To(HaveLen(2))
	})
})

var _ = Describe("the invariants", func() {
	var w *fake.World
	var h providers.Host
	BeforeEach(func() {
		w = fake.New()
		h = w.Host()
		prepare(w, 1, v1.Primary)
		Expect(h.Routes.Put(ctx, providers.Route{Service: "web", Path: "/"})).To(Succeed())
		Expect(h.Units.Start(ctx, "web", v1.Primary)).To(Succeed())
		Expect(h.Releases.Shift(ctx, "web", 8080)).To(Succeed())
		Expect(h.Releases.Judge(ctx, "web", v1.Verdict{Instance: instance(1).String(), Result: v1.VerdictSoaked})).To(Succeed())
	})

	It("hold for a good pass", func() { Expect(fake.CheckInvariants(w)).To(BeEmpty()) })

	DescribeTable("are seen to break", func(number string, harm func()) {
		harm()
		Expect(fake.CheckInvariants(w)).To(ContainElement(HavePrefix(number + ": ")))
	},
		Entry("when the serving slot is stopped", "1", func() { _ = h.Units.Stop(ctx, "web", v1.Primary) }),
		Entry("when it is restarted though the service overlaps", "1", func() {
			w.Overlap["web"] = true
			_ = h.Units.Start(ctx, "web", v1.Primary)
		}),
		Entry("when an active unit loses its root", "2", func() { _ = h.Closures.Unroot(ctx, "web-"+instance(1).Revision) }),
		Entry("when something starts that was never rooted", "2", func() {
			delete(w.Nix.RootLinks, "web-"+instance(1).Revision)
			_ = h.Units.Start(ctx, "web", v1.Primary)
		}),
		Entry("when the last good release is discarded", "3", func() {
			_ = h.Releases.Point(ctx, "web", v1.Primary, "")
			_ = h.Releases.Discard(ctx, "web", instance(1).String())
		}),
		Entry("when a bad instance is started", "4", func() {
			_ = h.Releases.Judge(ctx, "web", v1.Verdict{Instance: instance(1).String(), Result: v1.VerdictBad})
			_ = h.Units.Start(ctx, "web", v1.Primary)
		}),
		Entry("when something is removed after a failed observation", "6", func() {
			w.BeginPass()
			w.FailNext("units.Observe", providers.ErrUnavailable)
			_, _ = h.Units.Observe(ctx, providers.UnitSpec{Service: "web", Slot: v1.Primary})
			_ = h.Routes.Remove(ctx, "web")
		}),
		Entry("when a foreign unit is stopped", "7", func() {
			w.AddForeignUnit("caddy")
			_ = h.Units.Stop(ctx, "caddy", v1.Primary)
		}),
	)
})
