package probe

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"golang.org/x/sys/unix"

	"deployer/providers"
	"deployer/providers/internal/listeners"
)

var _ providers.Ports = (*Ports)(nil)

// ReasonNoFreePort is the Fault of a host on which no port is left for a standby.
const ReasonNoFreePort = "NoFreePort"

// lowestPort is the first one that is given to a standby: those below are what people
// give to programs that they may start later.
const (
	lowestPort  = 10_000
	highestPort = 65_535
)

// PortsOptions of NewPorts. The zero value is right for a host.
type PortsOptions struct {
	// SysctlDir has ip_local_port_range; empty is /proc/sys/net/ipv4.
	SysctlDir string
}

// Ports looks at the TCP ports of the network namespace that it runs in.
type Ports struct {
	sysctlDir string
}

// NewPorts gives Ports.
func NewPorts(o PortsOptions) *Ports {
	if o.SysctlDir == "" {
		o.SysctlDir = "/proc/sys/net/ipv4"
	}
	return &Ports{sysctlDir: o.SysctlDir}
}

// Connections reads the kernel's tables: a few milliseconds for 1,000 connections.
func (p *Ports) Connections(_ context.Context, port int) (int, error) {
	n, err := listeners.Established(port)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", providers.ErrUnavailable, err)
	}
	return n, nil
}

// Free begins where the service's name says, so that each service has a port that it
// comes back to, and goes on to the next one that a program could listen on now.
//
// A port of the kernel's own range may go to an outgoing connection at any time, and one
// that is reserved was meant for somebody. Where the range has been widened to nearly all
// ports, one of it is taken all the same: without a standby there would be no release.
func (p *Ports) Free(_ context.Context, service string, avoid []int) (int, error) {
	kernel, err := p.sysctl("ip_local_port_range")
	if err != nil {
		return 0, err
	}
	reserved, err := p.sysctl("ip_local_reserved_ports")
	if err != nil {
		return 0, err
	}
	for _, taken := range [][]span{slices.Concat(kernel, reserved), reserved} {
		candidates := candidatesOutside(taken, avoid)
		if port, found := firstFree(candidates, service); found {
			return port, nil
		}
	}
	return 0, &providers.Fault{
		Reason: ReasonNoFreePort,
		Message: fmt.Sprintf("no port from %d to %d is left for the standby of %s: "+
			"free one, or make net.ipv4.ip_local_reserved_ports shorter", lowestPort, highestPort, service),
	}
}

func candidatesOutside(taken []span, avoid []int) []int {
	var out []int
	for port := lowestPort; port <= highestPort; port++ {
		in := func(s span) bool { return s.first <= port && port <= s.last }
		if !slices.ContainsFunc(taken, in) && !slices.Contains(avoid, port) {
			out = append(out, port)
		}
	}
	return out
}

func firstFree(candidates []int, service string) (port int, found bool) {
	if len(candidates) == 0 {
		return 0, false
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(service)) // a hash never fails
	start := int(h.Sum32() % uint32(len(candidates)))
	for i := range candidates {
		port := candidates[(start+i)%len(candidates)]
		if canListen(port) {
			return port, true
		}
	}
	return 0, false
}

// canListen asks the kernel by binding to all addresses, which is refused when anybody
// listens on one of them, and also when an outgoing connection has the port. It does not
// listen itself.
func canListen(port int) bool {
	v4 := bind(unix.AF_INET, &unix.SockaddrInet4{Port: port})
	v6 := bind(unix.AF_INET6, &unix.SockaddrInet6{Port: port})
	return v4 == nil && (v6 == nil || !errors.Is(v6, unix.EADDRINUSE))
}

func bind(family int, address unix.Sockaddr) error {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	// As servers do: what a closed connection leaves behind is no hindrance.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return err
		}
	}
	return unix.Bind(fd, address)
}
