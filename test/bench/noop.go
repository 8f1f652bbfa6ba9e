package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	v1 "deployer/api/v1"
	"deployer/controllers/service"
	"deployer/providers"
	"deployer/providers/fake"
)

const (
	noopServices = 1000
	noopPasses   = 50
)

// noop is the pass itself on the fake host; what a real systemd costs is its inner half.
func noop(ctx context.Context) error {
	settled, err := settledWorld(ctx)
	if err != nil {
		return err
	}
	var passes, cpu, naive samples
	for range noopPasses {
		began, ran := time.Now(), cpuTime()
		if err := settled.pass(ctx); err != nil {
			return err
		}
		passes.add(time.Since(began))
		cpu.add(cpuTime() - ran)
	}
	for range noopPasses / 5 {
		began := time.Now()
		settled.desired = settled.manifest.Assignments("biz")
		if err := settled.pass(ctx); err != nil {
			return err
		}
		naive.add(time.Since(began))
	}
	if err := settled.unchanged(); err != nil {
		return err
	}
	fmt.Println("Observe, choose and report, on the fake host: our own share of a pass, and the fake's.")
	table{unit: "ms", baseline: 2, rows: []row{
		{"one no-op pass over 1,000 services", passes, 10, "one worker; the daemon has four"},
		{"  its CPU time, collector included", cpu, 10, "what it is on a machine that is not busy"},
		{"the same, hashing the manifest in each", naive, 0, "instead of once per manifest"},
	}}.show(os.Stdout)
	return onHost(ctx, "noop", hostOptions{})
}

// cpuTime is what this process has had of all CPUs.
func cpuTime() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		panic(err) // impossible with these arguments
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// settledHost is a fake host with everything in place.
type settledHost struct {
	world    *fake.World
	services *service.Reconciler
	manifest v1.Manifest
	// desired is what the manifest wants here, by name.
	desired map[string]v1.Assignment
	names   []string
	reports int
}

func settledWorld(ctx context.Context) (*settledHost, error) {
	w := fake.New()
	w.Quiet = true
	h := &settledHost{world: w}
	m := v1.Manifest{Version: 1, Lineage: "bench", Generation: 1}
	for i := range noopServices {
		name := fmt.Sprintf("web%d", i)
		path := fmt.Sprintf("/nix/store/%032d-%s-1", i, name)
		w.Nix.Cache[path] = "sha256:bench"
		m.Services = append(m.Services, v1.Service{
			Name: name, Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: path},
			HTTP: &v1.HTTP{Domain: name + ".example.com", InternalPort: 10000 + i},
		})
		h.names = append(h.names, name)
	}
	h.manifest, h.desired = m, m.Assignments("biz")
	h.services = service.New(service.Options{
		Host: w.Host(), HostName: "biz", Now: w.Clock.Now,
		Desired: func(name string) v1.Assignment { return h.desired[name] },
		Report:  func(string, v1.ServiceState) { h.reports++ },
	})
	for range 100 {
		waits := time.Duration(0)
		for _, name := range h.names {
			result, err := h.services.Reconcile(ctx, name)
			if err != nil {
				return nil, fmt.Errorf("settling the fake host: %s: %w", name, err)
			}
			waits = max(waits, result.RequeueAfter)
		}
		if waits == 0 {
			h.reports = 0
			return h, nil
		}
		w.Clock.Advance(waits)
	}
	return nil, errors.New("settling the fake host: it does not settle")
}

func (h *settledHost) pass(ctx context.Context) error {
	for _, name := range h.names {
		result, err := h.services.Reconcile(ctx, name)
		if err != nil || result.Progressed || result.RequeueAfter > 0 {
			return fmt.Errorf("%s was to be settled: %+v, %w", name, result, err)
		}
	}
	return nil
}

// unchanged: what was measured was really a no-op over running services.
func (h *settledHost) unchanged() error {
	u := h.world.Unit(h.names[0], v1.Primary)
	if u == nil || h.reports > 0 {
		return fmt.Errorf("that was no no-op: %d reports, unit %+v", h.reports, u)
	}
	return nil
}

// benchUnit is one of the real units. It is loaded and never started.
func benchUnit(i int) providers.UnitSpec {
	name := fmt.Sprintf("bench%d", i)
	r := v1.Release{Service: name, StorePath: "/nix/store/x", InternalPort: 10000 + i}.Default()
	return providers.UnitSpec{Service: name, Slot: v1.Primary, Release: &r}
}
