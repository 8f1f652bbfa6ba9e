package service

import (
	"fmt"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers/fake"
)

// dies makes passes until the scenario is at its end or the daemon dies in one.
func (g *rig) dies(at int, when fake.When) (crash string) {
	GinkgoHelper()
	g.CrashAt(at, when)
	defer func() {
		if c, ok := recover().(fake.Crash); ok {
			crash = c.String()
		}
		g.CrashAt(0, when)
	}()
	g.settle("web")
	return ""
}

var _ = Describe("a crash", func() {
	for _, c := range scenarios() {
		end := sync.OnceValue(c.end)
		for _, when := range []fake.When{fake.Before, fake.After} {
			It(fmt.Sprintf("%s any effect of %s changes nothing in how it ends", when, c.name), func() {
				want := end()
				n := 1
				for ; ; n++ {
					g := c.begin()
					crash := g.dies(n, when)
					if crash == "" {
						break
					}
					g.restart()
					g.settle("web")
					Expect(g.picture("web")).To(Equal(want), crash)
				}
				Expect(n).To(BeNumerically(">", 2), "it never crashed")
			})
		}

		It("that only loses the memory, after any pass of "+c.name+", changes nothing in how it ends", func() {
			want := end()
			for k, waits := 1, true; waits && k < 40; k++ {
				g := c.begin()
				for range k {
					result, err := g.pass("web")
					Expect(err).NotTo(HaveOccurred())
					g.Clock.Advance(result.RequeueAfter)
					waits = result.RequeueAfter > 0
				}
				g.restart()
				g.settle("web")
				Expect(g.picture("web")).To(Equal(want))
			}
		})

		It("and a reboot after any effect of "+c.name+" change nothing in how it ends", func() {
			want := end()
			for n := 1; ; n++ {
				g := c.begin()
				crash := g.dies(n, fake.After)
				if crash == "" {
					break
				}
				g.Reboot()
				g.Clock.Advance(second)
				g.restart()
				g.settle("web")
				Expect(g.picture("web")).To(Equal(want), crash)
			}
		})
	}
})
