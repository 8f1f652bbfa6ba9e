package probe_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/probe"
	"deployer/test/env"
)

// listenOn listens on an address until stop.
func listenOn(network, address string) (stop func()) {
	GinkgoHelper()
	l, err := net.Listen(network, address)
	Expect(err).NotTo(HaveOccurred())
	return func() { _ = l.Close() }
}

// connect opens connections, and accepts nothing: the kernel does that for a listener.
func connect(port, connections int) (hangUp func()) {
	GinkgoHelper()
	var open []net.Conn
	for range connections {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		Expect(err).NotTo(HaveOccurred())
		open = append(open, c)
	}
	return func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
}

var _ = Describe("conformance of the ports", func() {
	conformance.Ports(func() conformance.PortsHost {
		return conformance.PortsHost{
			Ports: probe.NewPorts(probe.PortsOptions{}),
			Listen: func(port int) func() {
				return listenOn("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
			},
			Connect: connect,
		}
	})
})

var _ = Describe("a free port", func() {
	// settings gives Ports of a host with these sysctls.
	settings := func(kernel, reserved string) *probe.Ports {
		GinkgoHelper()
		dir := GinkgoT().TempDir()
		Expect(os.WriteFile(filepath.Join(dir, "ip_local_port_range"), []byte(kernel+"\n"), 0o600)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(dir, "ip_local_reserved_ports"), []byte(reserved+"\n"), 0o600)).To(Succeed())
		return probe.NewPorts(probe.PortsOptions{SysctlDir: dir})
	}
	// some asks for so many services that a wrong port would show.
	some := func(ctx SpecContext, p *probe.Ports) []int {
		GinkgoHelper()
		var out []int
		for i := range 50 {
			port, err := p.Free(ctx, fmt.Sprintf("service%d", i), nil)
			Expect(err).NotTo(HaveOccurred())
			out = append(out, port)
		}
		return out
	}

	It("lies outside the kernel's range for outgoing connections, wherever that is", func(ctx SpecContext) {
		Expect(some(ctx, settings("32768\t60999", ""))).To(HaveEach(Or(BeNumerically("<", 32768), BeNumerically(">", 60999))))
		Expect(some(ctx, settings("10000\t50000", ""))).To(HaveEach(BeNumerically(">", 50000)))
		Expect(some(ctx, settings("20000\t65535", ""))).To(HaveEach(And(BeNumerically(">=", 10000), BeNumerically("<", 20000))))
	})

	It("is in the range this host has now", func(ctx SpecContext) {
		data, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
		Expect(err).NotTo(HaveOccurred())
		var first, last int
		_, err = fmt.Sscan(strings.TrimSpace(string(data)), &first, &last)
		Expect(err).NotTo(HaveOccurred())
		if first <= 10_000 && last == 65_535 {
			env.Lacks(GinkgoT(), "a port that is not for outgoing connections: make net.ipv4.ip_local_port_range smaller than %d to %d", first, last)
		}
		Expect(some(ctx, probe.NewPorts(probe.PortsOptions{}))).To(HaveEach(Or(BeNumerically("<", first), BeNumerically(">", last))))
	})

	It("is none that was reserved for somebody", func(ctx SpecContext) {
		Expect(some(ctx, settings("10000\t65000", "1-65003,65010,65012-65535"))).To(HaveEach(And(
			BeNumerically(">=", 65004), BeNumerically("<=", 65011), Not(Equal(65010)))))
	})

	It("differs from service to service", func(ctx SpecContext) {
		seen := map[int]bool{}
		for _, port := range some(ctx, settings("32768\t60999", "")) {
			seen[port] = true
		}
		Expect(len(seen)).To(BeNumerically(">=", 45))
	})

	It("comes from the kernel's own range where that has all ports", func(ctx SpecContext) {
		Expect(some(ctx, settings("1024\t65535", ""))).To(HaveEach(BeNumerically(">=", 10000)))
	})

	It("is refused with the way out when there is none", func(ctx SpecContext) {
		_, err := settings("32768\t60999", "1-65535").Free(ctx, "web", nil)
		Expect(providers.ReasonOf(err)).To(Equal("NoFreePort"))
		Expect(err).To(MatchError(ContainSubstring("ip_local_reserved_ports")))
	})

	DescribeTable("is not one on which somebody listens, be it on another address than 127.0.0.1",
		func(ctx SpecContext, network, address string) {
			p := settings("32768\t60999", "")
			port, err := p.Free(ctx, "web", nil)
			Expect(err).NotTo(HaveOccurred())
			if network == "tcp6" {
				listen(network, "[::1]:0") // or skips
			}
			stop := listenOn(network, fmt.Sprintf("%s:%d", address, port))
			defer stop()
			Expect(p.Free(ctx, "web", nil)).NotTo(Equal(port))
		},
		Entry(nil, "tcp4", "127.0.0.1"),
		Entry(nil, "tcp4", "127.0.0.2"),
		Entry(nil, "tcp4", "0.0.0.0"),
		Entry(nil, "tcp6", "[::1]"),
		Entry(nil, "tcp", "[::]"),
	)

	It("is the same again though connections to it were closed a moment ago", func(ctx SpecContext) {
		p := settings("32768\t60999", "")
		port, err := p.Free(ctx, "web", nil)
		Expect(err).NotTo(HaveOccurred())
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		Expect(err).NotTo(HaveOccurred())
		hangUp := connect(port, 1)
		server, err := l.Accept()
		Expect(err).NotTo(HaveOccurred())
		// The side that closes first keeps the port in TIME_WAIT.
		Expect(server.Close()).To(Succeed())
		hangUp()
		Expect(l.Close()).To(Succeed())
		Expect(p.Free(ctx, "web", nil)).To(Equal(port))
	})

	It("cannot be told while the host's settings cannot be read", func(ctx SpecContext) {
		_, err := settings("from here to there", "").Free(ctx, "web", nil)
		Expect(err).To(HaveOccurred())
	})
})
