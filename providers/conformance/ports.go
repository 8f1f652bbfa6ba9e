package conformance

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

// PortsHost is a host on whose ports others listen and connect.
type PortsHost struct {
	Ports providers.Ports
	// Listen makes somebody listen on the port until stop.
	Listen func(port int) (stop func())
	// Connect opens that many connections to who listens on the port, until hangUp.
	Connect func(port, connections int) (hangUp func())
}

// Ports registers the specs of providers.Ports. Call it inside a container; open gives a
// new host for each spec.
func Ports(open func() PortsHost) {
	var host PortsHost
	BeforeEach(func() { host = open() })

	It("counts the connections to a port, and those to no other", func(ctx SpecContext) {
		port, err := host.Ports.Free(ctx, "web", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(host.Ports.Connections(ctx, port)).To(BeZero())
		stop := host.Listen(port)
		defer stop()
		Expect(host.Ports.Connections(ctx, port)).To(BeZero(), "it only listens")
		hangUp := host.Connect(port, 3)
		Expect(host.Ports.Connections(ctx, port)).To(Equal(3))
		Expect(host.Ports.Connections(ctx, port+1)).To(BeZero())
		hangUp()
		Eventually(func() (int, error) { return host.Ports.Connections(ctx, port) }).WithTimeout(unitsPatience).Should(BeZero())
	})

	It("gives a service the same port as long as that is free, and the next one when it is not", func(ctx SpecContext) {
		port, err := host.Ports.Free(ctx, "web", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(port).To(And(BeNumerically(">", 1023), BeNumerically("<=", 65535)))
		Expect(host.Ports.Free(ctx, "web", nil)).To(Equal(port))
		stop := host.Listen(port)
		other, err := host.Ports.Free(ctx, "web", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(other).NotTo(Equal(port), "somebody listens there")
		stop()
		Expect(host.Ports.Free(ctx, "web", nil)).To(Equal(port))
	})

	It("avoids what it is told to", func(ctx SpecContext) {
		var avoid []int
		for range 5 {
			port, err := host.Ports.Free(ctx, "web", avoid)
			Expect(err).NotTo(HaveOccurred())
			Expect(avoid).NotTo(ContainElement(port))
			avoid = append(avoid, port)
		}
	})
}
