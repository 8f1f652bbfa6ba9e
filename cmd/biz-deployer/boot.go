package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/hostconfig"
	"deployer/providers"
	"deployer/providers/releases"
)

// bootCommand is what the boot oneshot runs, and what a standby runs when it stops: it
// needs neither the store nor the daemon.
func bootCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "boot [SERVICE…]",
		Short: "Point the upstream files at the primaries (run by systemd)",
		Long: `boot points the upstream file of each service, or of those named, at its primary slot:
the standby is never started at boot. biz-deployer-boot.service runs it before Caddy and
the services start.`,
		Example: "  biz-deployer boot\n  biz-deployer boot web",
		RunE: func(c *cobra.Command, names []string) error {
			loaded, err := hostconfig.Load(config)
			if err != nil {
				loaded = hostconfig.Default() // the paths matter, and they have defaults
			}
			return boot(c.Context(), loaded.Paths(), names)
		},
	}
	c.Flags().StringVar(&config, "config", hostconfig.Path, "the configuration file")
	return c
}

func boot(ctx context.Context, paths providers.Paths, names []string) error {
	directory := releases.New(releases.Options{Paths: paths})
	if len(names) == 0 {
		var err error
		if names, err = directory.Services(ctx); err != nil {
			return err
		}
	}
	var problems []error
	for _, name := range names {
		if err := pointAtPrimary(ctx, directory, name); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(problems...)
}

// pointAtPrimary also mends an upstream file that was lost or damaged.
func pointAtPrimary(ctx context.Context, r providers.Releases, service string) error {
	facts, err := r.Observe(ctx, service)
	if err != nil {
		return err
	}
	primary, ok := facts.Staged[facts.Pointers[v1.Primary]]
	if !ok || primary.Release.InternalPort == 0 {
		return nil
	}
	return r.Shift(ctx, service, primary.Release.InternalPort)
}
