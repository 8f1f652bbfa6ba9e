package service

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers/fake"
)

var _ = Describe("the step prune", func() {
	aStep{
		step: stepPrune{},
		setup: func(g *rig) {
			for _, release := range []string{"v1", "v2", "v3"} {
				g.write(g.web("web", release, 8080))
				g.settle("web")
			}
			g.write(g.web("web", "v4", 8080))
		},
		effects: []string{"closures.Unroot", "releases.Discard", "releases.Tidy"},
	}.specs()

	It("deletes the rest of a release of which the last daemon deleted only half", func(ctx SpecContext) {
		g := newRig()
		for _, release := range []string{"v1", "v2", "v3"} {
			g.write(g.web("web", release, 8080))
			g.settle("web")
		}
		g.write(g.web("web", "v4", 8080))
		about := g.reach(stepPrune{}.Name())
		g.CrashAt(3, fake.Before) // its root, out of sight, and deleted
		Expect(func() { _, _ = stepPrune{}.Run(ctx, about) }).To(PanicWith(BeAssignableToTypeOf(fake.Crash{})))
		g.CrashAt(0, fake.Before)
		g.restart()
		facts, err := g.Host().Releases.Observe(ctx, "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Unfinished).To(HaveLen(1))

		g.settle("web")
		facts, err = g.Host().Releases.Observe(ctx, "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Unfinished).To(BeEmpty())
		Expect(facts.Staged).To(HaveLen(3))
	})
})
