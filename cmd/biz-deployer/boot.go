package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/hostconfig"
	"deployer/providers"
	"deployer/providers/releases"
	"deployer/providers/systemd"
)

// credentials is where systemd keeps those of the units that run.
const credentials = "/run/credentials"

// bootCommand is what the boot oneshot runs, and what a standby runs when it ends: it
// needs neither the store nor the daemon.
func bootCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "boot [SERVICE…]",
		Short: "Point the upstream files at the primaries (run by systemd)",
		Long: `boot SERVICE points the service's upstream file at its primary slot: systemd runs it when
a standby ends, for whatever reason, since nobody else may be there to do it.

Without a name it does so for every service whose standby does not run, and starts those that
systemd could not find when it booted, because /var was not mounted yet.
biz-deployer-boot.service runs it before Caddy and the services start. It may be run at any
time: where all is as it should be, nothing changes.`,
		Example: "  biz-deployer boot\n  biz-deployer boot web",
		RunE: func(c *cobra.Command, names []string) error {
			loaded, err := hostconfig.Load(config)
			if err != nil {
				loaded = hostconfig.Default() // the paths matter, and they have defaults
			}
			b := booter{
				releases:    releases.New(releases.Options{Paths: loaded.Paths(), Second: "boot"}),
				credentials: credentials,
			}
			if len(names) > 0 {
				return b.giveBack(c.Context(), names)
			}
			return errors.Join(b.afterBoot(c.Context()), startMissed(c.Context(), loaded.Paths()))
		},
	}
	c.Flags().StringVar(&config, "config", hostconfig.Path, "the configuration file")
	return c
}

// booter gives traffic to primaries.
type booter struct {
	releases    providers.Releases
	credentials string
}

// afterBoot leaves alone a standby that runs: none does at a boot, but the unit may be
// started anew at any time, and then the primary may be the one that is not there.
func (b booter) afterBoot(ctx context.Context) error {
	services, err := b.releases.Services(ctx)
	if err != nil {
		return err
	}
	var without []string
	var problems []error
	for _, service := range services {
		runs, err := b.standbyRuns(service)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", service, err))
		} else if !runs {
			without = append(without, service)
		}
	}
	return errors.Join(append(problems, b.giveBack(ctx, without))...)
}

// standbyRuns by what systemd keeps for each unit of ours as long as it runs.
func (b booter) standbyRuns(service string) (bool, error) {
	_, err := os.Stat(filepath.Join(b.credentials, v1.UnitName(service, v1.Standby)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// giveBack goes on with the next service when one has a problem.
func (b booter) giveBack(ctx context.Context, services []string) error {
	var problems []error
	for _, service := range services {
		if err := b.pointAtPrimary(ctx, service); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", service, err))
		}
	}
	return errors.Join(problems...)
}

// pointAtPrimary also mends an upstream file that was lost or damaged, and writes nothing
// when the file is right.
//
// That it comes too late, and takes the traffic from a new standby, cannot be: systemd
// starts a unit's next process only when what it runs at the end of the last one is done,
// and the daemon shifts to no standby that is not well.
func (b booter) pointAtPrimary(ctx context.Context, service string) error {
	facts, err := b.releases.Observe(ctx, service)
	if err != nil {
		return err
	}
	port := primaryPort(facts)
	if port == 0 || facts.Upstream == "127.0.0.1:"+strconv.Itoa(port) {
		return nil
	}
	return b.releases.Shift(ctx, service, port)
}

// primaryPort is where the primary listens, or would listen; 0 for a worker. It need not
// run: requests wait for it. Before the first release has come to it, it is where the one
// in the standby slot will be.
func primaryPort(facts providers.ReleaseFacts) int {
	for _, slot := range []v1.Slot{v1.Primary, v1.Standby} {
		if staged, ok := facts.Staged[facts.Pointers[slot]]; ok {
			return staged.Release.InternalPort
		}
	}
	return 0
}

// startMissed is for hosts on which /var is a disk of its own.
func startMissed(ctx context.Context, paths providers.Paths) error {
	manager, err := systemd.New(systemd.Options{Paths: paths})
	if err != nil {
		return err
	}
	defer manager.Close()
	started, err := manager.StartMissed(ctx)
	for _, unit := range started {
		fmt.Printf("starting %s, which systemd did not find when it booted\n", unit)
	}
	return err
}
