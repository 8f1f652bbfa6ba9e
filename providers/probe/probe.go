// Package probe asks running instances how they are. A probe counts only if the socket
// that would answer belongs to the slot itself: another program on the port, healthy as
// it may be, says nothing about the release.
package probe

import (
	"context"
	"fmt"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

var _ providers.Prober = (*Prober)(nil)

// DefaultTimeout is that of a probe whose Health has none.
const DefaultTimeout = 5 * time.Second

// The reasons of an unwell instance.
const (
	ReasonNotListening      = "NotListening"
	ReasonPortTaken         = "PortTaken"
	ReasonConnectionRefused = "ConnectionRefused"
	ReasonConnectionClosed  = "ConnectionClosed"
	ReasonTimedOut          = "TimedOut"
	ReasonWrongStatus       = "WrongStatus"
	ReasonBadAnswer         = "BadAnswer"
)

// Options of a Prober. The zero value is right for a host.
type Options struct {
	// CgroupRoot is where the control groups are mounted; empty is /sys/fs/cgroup.
	CgroupRoot string
}

// Prober asks over loopback. It keeps no connection and remembers nothing.
type Prober struct {
	cgroupRoot string
}

// New gives a Prober.
func New(o Options) *Prober {
	if o.CgroupRoot == "" {
		o.CgroupRoot = "/sys/fs/cgroup"
	}
	return &Prober{cgroupRoot: o.CgroupRoot}
}

// Probe asks once, within the Health's timeout. Notify and none are always well: the
// caller asks about running units, and that a notify unit runs is systemd's word that it
// is ready. A health command is not supported yet and is a Fault, ExecHealthUnsupported.
func (p *Prober) Probe(ctx context.Context, r providers.ProbeRequest) (providers.ProbeResult, error) {
	switch r.Type {
	case v1.HealthNotify:
		return providers.ProbeResult{OK: true, Answer: "it told systemd that it is ready"}, nil
	case v1.HealthNone:
		return providers.ProbeResult{OK: true, Answer: "it runs"}, nil
	case v1.HealthHTTP, v1.HealthTCP:
		return p.ask(ctx, r)
	case v1.HealthExec:
		return providers.ProbeResult{}, &providers.Fault{
			Reason: "ExecHealthUnsupported",
			Message: fmt.Sprintf("health.exec of %s is not supported by this version of biz-deployer: "+
				"use health.path, health.tcp or health.notify", r.Service),
		}
	}
	return providers.ProbeResult{}, fmt.Errorf("probing %s: unknown health type %q", r.Service, r.Type)
}

func (p *Prober) ask(ctx context.Context, r providers.ProbeRequest) (providers.ProbeResult, error) {
	if r.Port <= 0 || r.Port > 65535 {
		return providers.ProbeResult{}, fmt.Errorf("probing %s: %d is not a port", r.Service, r.Port)
	}
	timeout := time.Duration(r.Health.Timeout)
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	asking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := p.listener(r)
	if err != nil {
		return providers.ProbeResult{}, fmt.Errorf("probing %s: %w", r.Service, err)
	}
	if result.OK && r.Type == v1.HealthTCP {
		result = askTCP(asking, r.Port)
	} else if result.OK {
		result = askHTTP(asking, r)
	}
	result.URL = target(r)
	// A caller who gives up has no answer: the instance is not to blame.
	if ctx.Err() != nil {
		return providers.ProbeResult{}, fmt.Errorf("probing %s: %w", r.Service, ctx.Err())
	}
	return result, nil
}

func target(r providers.ProbeRequest) string {
	if r.Type == v1.HealthTCP {
		return "tcp://" + address(r.Port)
	}
	path := r.Health.Path
	if path == "" {
		path = "/"
	}
	return "http://" + address(r.Port) + path
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func unwell(reason, answer string) providers.ProbeResult {
	return providers.ProbeResult{Reason: reason, Answer: answer}
}
