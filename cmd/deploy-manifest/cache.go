package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/cache"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/nix"
)

func (a *app) cacheCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "Look after the binary cache in the store",
		Long:  `cache has what there is to do with the binary cache that deploy-push uploads to.`,
		Example: `  deploy-manifest cache gc --dry-run
  deploy-manifest cache gc`,
		Args: cobra.NoArgs,
	}
	c.AddCommand(a.collectCommand())
	return c
}

// collection is what the flags say.
type collection struct {
	keep             int
	olderThan, grace age
	ignore           []string
	dryRun           bool
	format           cli.Format
}

func (a *app) collectCommand() *cobra.Command {
	o := collection{olderThan: age(14 * 24 * time.Hour), grace: age(24 * time.Hour)}
	c := &cobra.Command{
		Use:   "gc",
		Short: "Delete closures that nothing needs any more from the cache",
		Long: `gc deletes from the cache what is needed neither by the manifest in force, nor by an
archived version within the bounds (the newest --keep, and all that were in force within
--older-than), nor by what any host reports to have in use. All else in the cache goes,
also what other tools put there.

It takes two runs, a grace period apart: what nothing needs is listed first, and deleted by
a run that finds it listed for --grace, unchanged, and still needed by nothing. So run it
regularly, from a timer or in CI. Nothing is deleted while somebody pushes (exit code 5).

A report of a host that cannot be read stops it (exit code 4): nobody knows what that host
needs. --ignore-report names hosts that are gone for good. The archive itself is kept, but
a rollback to a version outside the bounds needs its releases to be pushed again.`,
		Example: `  deploy-manifest cache gc --dry-run
  deploy-manifest cache gc
  deploy-manifest cache gc --keep 20 --older-than 30d --grace 2d
  deploy-manifest cache gc --ignore-report old-host -o json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.collect(c, o) },
	}
	c.Flags().IntVar(&o.keep, "keep", 10, "keep what the newest so many archived versions need")
	c.Flags().Var(&o.olderThan, "older-than", "keep what versions need that were in force within this time")
	c.Flags().Var(&o.grace, "grace", "delete only what nothing needed for this time")
	c.Flags().StringSliceVar(&o.ignore, "ignore-report", nil, "do not ask what this host needs (may be said again)")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be deleted, and write nothing")
	cli.FormatFlag(c, &o.format, cli.Table)
	return c
}

func (a *app) collect(c *cobra.Command, o collection) error {
	if o.keep < 0 {
		return cli.Usagef("--keep %d is less than none", o.keep)
	}
	objects, location, err := cli.OpenStore(c.Context(), a.store)
	if err != nil {
		return err
	}
	r := a.repositoryOf(c, objects, location)
	report, err := cache.Collect(c.Context(), cache.Options{
		Objects: objects, Index: nix.NewIndex(objects),
		Kept:          func(ctx context.Context, now time.Time) ([]*v1.Manifest, error) { return o.kept(ctx, r, now) },
		Releases:      r.Releases,
		IgnoreReports: o.ignore, Grace: time.Duration(o.grace), DryRun: o.dryRun, By: a.who(), Now: a.now,
	})
	if err != nil && len(report.Deleted) == 0 {
		return unknownWhatIsNeeded(err)
	}
	if err := cli.Print(c.OutOrStdout(), o.format, report, collectionText(report)); err != nil {
		return err
	}
	if err == nil && report.Postponed != "" {
		return cli.Exit(cli.ExitDifferent, fmt.Errorf("%s: nothing was deleted; run it again", report.Postponed))
	}
	return err
}

func (o collection) kept(ctx context.Context, r *manifest.Repository, now time.Time) ([]*v1.Manifest, error) {
	versions, err := r.Kept(ctx, manifest.KeepOptions{Newest: o.keep, Since: now.Add(-time.Duration(o.olderThan))})
	if err != nil {
		return nil, err
	}
	out := make([]*v1.Manifest, len(versions))
	for i, v := range versions {
		out[i] = v.Manifest
	}
	return out, nil
}

// unknownWhatIsNeeded gives its exit code to what nobody can decide.
func unknownWhatIsNeeded(err error) error {
	if slices.Contains([]string{"ReportUnreadable", "ArchiveUnreadable", "CacheDamaged"}, providers.ReasonOf(err)) {
		return cli.Exit(cli.ExitUnknown, err)
	}
	return err
}
