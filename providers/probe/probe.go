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
	// ReasonExecFailed is of a health command; ReasonTimedOut may be.
	ReasonExecFailed = "ExecFailed"
)

// Options of a Prober. The zero value is right for a host.
type Options struct {
	// CgroupRoot is where the control groups are mounted; empty is /sys/fs/cgroup.
	CgroupRoot string
	// Command runs a release's health command as its service would, within the Health's
	// timeout, and answers as Probe does. Nil where there is nothing to run it with.
	Command func(ctx context.Context, r providers.ProbeRequest) (providers.ProbeResult, error)
}

// Prober asks over loopback. It keeps no connection and remembers nothing.
type Prober struct {
	cgroupRoot string
	command    func(context.Context, providers.ProbeRequest) (providers.ProbeResult, error)
}

// New gives a Prober.
func New(o Options) *Prober {
	if o.CgroupRoot == "" {
		o.CgroupRoot = "/sys/fs/cgroup"
	}
	return &Prober{cgroupRoot: o.CgroupRoot, command: o.Command}
}

// Probe asks once, within the Health's timeout. Notify and none are always well: the
// caller asks about running units, and that a notify unit runs is systemd's word that it
// is ready.
func (p *Prober) Probe(ctx context.Context, r providers.ProbeRequest) (providers.ProbeResult, error) {
	switch r.Type {
	case v1.HealthNotify:
		return providers.ProbeResult{OK: true, Answer: "it told systemd that it is ready"}, nil
	case v1.HealthNone:
		return providers.ProbeResult{OK: true, Answer: "it runs"}, nil
	case v1.HealthHTTP, v1.HealthTCP:
		return p.ask(ctx, r)
	case v1.HealthExec:
		return p.run(ctx, r)
	}
	return providers.ProbeResult{}, fmt.Errorf("probing %s: unknown health type %q", r.Service, r.Type)
}

func (p *Prober) ask(ctx context.Context, r providers.ProbeRequest) (providers.ProbeResult, error) {
	if r.Port <= 0 || r.Port > 65535 {
		return providers.ProbeResult{}, fmt.Errorf("probing %s: %d is not a port", r.Service, r.Port)
	}
	asking, cancel := context.WithTimeout(ctx, timeoutOf(r.Health))
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

// run asks the release's own command.
func (p *Prober) run(ctx context.Context, r providers.ProbeRequest) (providers.ProbeResult, error) {
	switch {
	case p.command == nil:
		return providers.ProbeResult{}, fmt.Errorf("probing %s: there is nothing to run health.exec with", r.Service)
	case len(r.Health.Exec) == 0 || r.Release == nil:
		return providers.ProbeResult{}, fmt.Errorf("probing %s: health.exec or its release is missing", r.Service)
	}
	r.Health.Timeout = v1.Duration(timeoutOf(r.Health))
	result, err := p.command(ctx, r)
	if err != nil {
		return providers.ProbeResult{}, fmt.Errorf("probing %s: %w", r.Service, err)
	}
	return result, nil
}

func timeoutOf(h v1.Health) time.Duration {
	if h.Timeout > 0 {
		return time.Duration(h.Timeout)
	}
	return DefaultTimeout
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
