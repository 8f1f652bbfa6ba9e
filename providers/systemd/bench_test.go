package systemd_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/systemd"
	"deployer/test/env"
)

const benchServices = 1000

// BenchmarkObserve looks at 1,000 services of which nothing changed. On a test host
// (hack/testhost, or env.RunInside) it is the real systemd with 1,000 loaded units, else a
// scripted one: then only our own share is measured.
func BenchmarkObserve(b *testing.B) {
	var skip time.Duration
	o := systemd.Options{Now: func() time.Time { return time.Now().Add(skip) }}
	var load func()
	if env.Inside() {
		load = func() { reloadBench(b) }
		o.Paths = providers.DefaultPaths()
		o.Paths.StateDir = "/var/lib/deployer-bench"
		o.Paths.UnitDir = "/run/systemd/system"
	} else {
		dir := b.TempDir()
		o.Paths = providers.Paths{StateDir: filepath.Join(dir, "state"), UnitDir: filepath.Join(dir, "units")}
		if err := os.Mkdir(o.Paths.UnitDir, 0o755); err != nil {
			b.Fatal(err)
		}
		bus := newScriptedBus(o.Paths.UnitDir)
		load = func() {
			for i := range benchServices {
				bus.setRow(benchSpec(i).Service+".service", "inactive", "dead", 0)
			}
		}
		o.Dial = func(context.Context) (systemd.Bus, error) { return bus, nil }
	}
	m, err := systemd.New(o)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	specs := make([]providers.UnitSpec, benchServices)
	for i := range specs {
		specs[i] = benchSpec(i)
		if err := m.Install(b.Context(), specs[i]); err != nil {
			b.Fatal(err)
		}
	}
	if env.Inside() {
		defer removeBench(b)
	}
	load()
	pass := func() {
		skip = (skip + time.Second) % (30 * time.Second) // a new listing; the details stay young
		for _, s := range specs {
			facts, err := m.Observe(b.Context(), s)
			if err != nil || !facts.Current {
				b.Fatal(err, facts.Differs)
			}
		}
	}
	pass()
	b.ReportAllocs()
	for b.Loop() {
		pass()
	}
}

func benchSpec(i int) providers.UnitSpec {
	name := fmt.Sprintf("bench%d", i)
	r := v1.Release{Service: name, StorePath: "/nix/store/x", InternalPort: 10000 + i}.Default()
	return providers.UnitSpec{Service: name, Slot: v1.Primary, Release: &r}
}

func removeBench(b *testing.B) {
	for i := range benchServices {
		unit := benchSpec(i).Service + ".service"
		for _, path := range []string{"/run/systemd/system/" + unit, "/run/systemd/system/multi-user.target.wants/" + unit} {
			if err := os.Remove(path); err != nil {
				b.Error(err)
			}
		}
	}
	if err := os.RemoveAll("/var/lib/deployer-bench"); err != nil {
		b.Error(err)
	}
	reloadBench(b)
}

// reloadBench makes systemd load what multi-user.target wants now.
func reloadBench(b *testing.B) {
	bus, err := systemd.DialPrivate(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer bus.Close()
	if err := bus.Reload(b.Context()); err != nil {
		b.Error(err)
	}
}
