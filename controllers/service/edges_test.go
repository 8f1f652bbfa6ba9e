package service

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
)

// blind units run, and do not show what they run.
type blind struct{ providers.Units }

func (b blind) Observe(ctx context.Context, spec providers.UnitSpec) (providers.UnitFacts, error) {
	f, err := b.Units.Observe(ctx, spec)
	f.Instance = ""
	return f, err
}

var _ = Describe("a start", func() {
	It("without any effect is no progress, so that the next ones come later and later", func() {
		g := newRig()
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		g.StopByHand("web", v1.Primary)
		after := g.AfterCall
		g.AfterCall = func(call string) {
			after(call)
			if strings.HasPrefix(call, "units.Start") {
				g.StopByHand("web", v1.Primary)
			}
		}
		result, err := g.pass("web")
		Expect(providers.ReasonOf(err)).To(Equal("Exited"))
		Expect(result.Progressed).To(BeFalse())
	})

	It("is not repeated for ever because a process does not show its revision", func() {
		g := newRig()
		g.write(g.web("web", "v1", 8080))
		g.r.host.Units = blind{g.r.host.Units}
		for range 5 {
			_, err := g.pass("web")
			Expect(providers.ReasonOf(err)).To(Equal("RevisionUnknown"))
			Expect(isOwn(err)).To(BeFalse())
		}
		starts := 0
		for _, call := range g.changes() {
			if strings.HasPrefix(call, "units.Start") {
				starts++
			}
		}
		Expect(starts).To(Equal(1))
	})

	It("of the last good release that failed is forgotten once the next one has its place", func() {
		g := newRig()
		s := g.web("web", "v1", 8080)
		g.write(s)
		g.settle("web")
		g.Programs[s.Artifact.StorePath] = fake.Program{FailsToStart: true}
		g.StopByHand("web", v1.Primary)
		g.write(g.web("web", "v2", 8080))
		_, err := g.pass("web")
		Expect(err).NotTo(HaveOccurred())
		Expect(g.state("web").State).To(Equal(v1.Rolling))
		Expect(g.state("web").Reason).NotTo(HavePrefix("Exited"))
	})
})

var _ = Describe("the memory", func() {
	at := func(sec int) time.Time { return time.Unix(int64(sec), 0) }

	It("counts a spell of being unwell from its first start, until it was well", func() {
		m := &slotMemory{}
		m.noteStart("a", at(0))
		m.noteStart("a", at(30))
		Expect(m.unwellFor("a", at(40))).To(Equal(40 * time.Second))
		Expect(m.neverWell("a")).To(BeTrue())
		m.noteGood("a", at(50), 1, 0)
		Expect(m.unwellFor("a", at(60))).To(BeZero())
		m.noteUnwell("a", at(0), at(70), 0)
		Expect(m.unwellFor("a", at(75))).To(Equal(5 * time.Second))
		Expect(m.neverWell("a")).To(BeFalse())
	})

	It("takes signs that come too fast for one", func() {
		m := &slotMemory{}
		for i := range 5 {
			m.noteGood("a", at(0).Add(time.Duration(i)*time.Millisecond), 2, 500*time.Millisecond)
		}
		Expect(m.good).To(Equal(1))
		m.noteGood("a", at(1), 2, 500*time.Millisecond)
		Expect(m.good).To(Equal(2))
		Expect(m.wellSince).To(Equal(at(0)))
	})
})
