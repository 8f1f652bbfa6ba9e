package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"deployer/providers"
	"deployer/providers/systemd"
)

const (
	// shownUnits is how many units the baseline really asks about; a thousand would take
	// longer than all else together.
	shownUnits = 50
	listings   = 15
)

// noopInside looks at 1,000 real units, loaded by a real systemd.
func noopInside(ctx context.Context) error {
	// The clock of the manager is ours, so that each look needs a new listing of systemd
	// and none is answered from what the last one saw.
	var skip time.Duration
	paths := providers.DefaultPaths()
	m, err := systemd.New(systemd.Options{Paths: paths, Now: func() time.Time { return time.Now().Add(skip) }})
	if err != nil {
		return err
	}
	defer m.Close()
	specs := make([]providers.UnitSpec, noopServices)
	for i := range specs {
		specs[i] = benchUnit(i)
		if err := m.Install(ctx, specs[i]); err != nil {
			return err
		}
	}
	// Being wanted by multi-user.target keeps them loaded, as on a real host.
	if err := reload(ctx); err != nil {
		return err
	}
	look := func() error {
		skip += time.Second
		for _, s := range specs {
			facts, err := m.Observe(ctx, s)
			if err != nil || !facts.Current {
				return fmt.Errorf("observing %s: %v: %w", s.Service, facts.Differs, err)
			}
		}
		return nil
	}
	began := time.Now()
	if err := look(); err != nil {
		return err
	}
	var first, bulk, naive samples
	first.add(time.Since(began))
	for range listings {
		began := time.Now()
		if err := look(); err != nil {
			return err
		}
		bulk.add(time.Since(began))
	}
	for i := range shownUnits {
		took, err := show(ctx, specs[i*noopServices/shownUnits].Service+".service")
		if err != nil {
			return err
		}
		naive.add(took * noopServices)
	}
	fmt.Println("Looking at 1,000 real units of a real systemd, all loaded, none changed.")
	table{unit: "ms", baseline: 2, rows: []row{
		{"our Observe of each, one listing", bulk, 0, "new listing and a stat of every file each time"},
		{"the same, first look after a start", first, 0, "the properties of every unit are read and compared; again once a minute"},
		{"systemctl show, a process per unit", naive, 0, fmt.Sprintf("%d units asked, each times %d", shownUnits, noopServices)},
	}}.show(os.Stdout)
	return nil
}

func reload(ctx context.Context) error {
	bus, err := systemd.DialPrivate(ctx)
	if err != nil {
		return err
	}
	defer bus.Close()
	return bus.Reload(ctx)
}

// show is how a script would look at a unit.
func show(ctx context.Context, unit string) (time.Duration, error) {
	began := time.Now()
	out, err := exec.CommandContext(ctx, "systemctl", "show", unit).Output()
	took := time.Since(began)
	if err != nil || !strings.Contains(string(out), "LoadState=loaded") {
		return 0, fmt.Errorf("systemctl show %s: %w: %s", unit, err, out)
	}
	return took, nil
}
