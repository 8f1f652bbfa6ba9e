package conformance

import (
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Holds registers the specs of providers.Holds. Call it inside a container; open gives an
// empty one for each spec.
func Holds(open func() providers.Holds) {
	var holds providers.Holds
	until := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	one := v1.Hold{Owner: "ann@biz", Reason: "a \"load\" test", Until: &until}
	two := v1.Hold{Owner: "bob@biz", Reason: "the disk", Forever: true}
	BeforeEach(func() { holds = open() })

	It("has none at first", func(ctx SpecContext) {
		Expect(holds.Holds(ctx)).To(BeEmpty())
	})

	It("keeps one of each service, the last that was said, lapsed or not", func(ctx SpecContext) {
		Expect(holds.SaveHold(ctx, "web", &two)).To(Succeed())
		Expect(holds.SaveHold(ctx, "web", &one)).To(Succeed())
		Expect(holds.SaveHold(ctx, "api", &two)).To(Succeed())
		Expect(holds.Holds(ctx)).To(Equal(map[string]v1.Hold{"web": one, "api": two}))
	})

	It("takes one away and leaves the others; one that is not there is no error", func(ctx SpecContext) {
		Expect(holds.SaveHold(ctx, "web", &one)).To(Succeed())
		Expect(holds.SaveHold(ctx, "api", &two)).To(Succeed())
		for range 2 {
			Expect(holds.SaveHold(ctx, "web", nil)).To(Succeed())
			Expect(holds.Holds(ctx)).To(Equal(map[string]v1.Hold{"api": two}))
		}
	})

	It("gives what the caller may change", func(ctx SpecContext) {
		got, err := holds.Holds(ctx)
		Expect(err).NotTo(HaveOccurred())
		got["web"] = one
		Expect(holds.Holds(ctx)).To(BeEmpty())
	})

	It("loses none when many are set at once", func(ctx SpecContext) {
		var all sync.WaitGroup
		for n := range 20 {
			all.Go(func() {
				defer GinkgoRecover()
				Expect(holds.SaveHold(ctx, fmt.Sprintf("web%d", n), &one)).To(Succeed())
			})
		}
		all.Wait()
		Expect(holds.Holds(ctx)).To(HaveLen(20))
	})
}
