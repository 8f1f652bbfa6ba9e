package conformance

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

// LeftoversHost is a host on which nothing is left over, and what leaves something.
type LeftoversHost struct {
	Leftovers providers.Leftovers
	// Leave does as a crash while something of the service was being made, and gives the
	// path of what is left.
	Leave func(service string) (path string)
}

// Leftovers registers the specs of providers.Leftovers. Call it inside a container; open
// gives a new host for each spec.
func Leftovers(open func() LeftoversHost) {
	var host LeftoversHost
	BeforeEach(func() { host = open() })

	It("lists nothing where no crash was", func(ctx SpecContext) {
		Expect(host.Leftovers.Leftovers(ctx)).To(BeEmpty())
	})

	It("lists what crashes left, and clears only what it is asked to, also twice", func(ctx SpecContext) {
		web, api := host.Leave("web"), host.Leave("web-api")
		left, err := host.Leftovers.Leftovers(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(left).To(ConsistOf(
			And(HaveField("Service", "web"), HaveField("Path", web)),
			And(HaveField("Service", "web-api"), HaveField("Path", api)),
		))
		gone := left[0]
		for range 2 {
			Expect(host.Leftovers.Clear(ctx, gone)).To(Succeed())
		}
		Expect(host.Leftovers.Leftovers(ctx)).To(Equal(left[1:]))
	})
}
