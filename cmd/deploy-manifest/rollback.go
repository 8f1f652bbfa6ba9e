package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/fleet"
	"deployer/controllers/manifest"
	"deployer/providers"
)

func (a *app) rollbackCommand() *cobra.Command {
	var w write
	var service string
	c := &cobra.Command{
		Use:   "rollback [VERSION] [--service SERVICE]",
		Short: "Bring back an older version, as a new generation",
		Long: `rollback writes the services of an older version as a new generation: the one before the
manifest in force, or VERSION: a generation, or an archived version as list names it.
Services that it did not have are removed; those that come back are wanted again. The
manifest in force is archived first, so a rollback can be rolled back. This is also the
way out when the manifest in the store is lost or damaged: lineage and generation then
follow from the archive, and damaged bytes are kept as damaged-….json.

With --service only the release of that service goes back, to the one that it had before
the present one, or to that of VERSION: its store path and commit, and what else needs a
new process, such as its environment. Its domain, its hosts and all other services stay.
A release that a host judged bad, as its report in the store says, is no way back and is
skipped, which is said; name its VERSION to go back to it all the same.

Whether the cache still has the releases is looked at: "cache gc" deletes those of old
versions. A rollback without VERSION is refused when somebody else wrote in the same moment what
it would undo.`,
		Example: `  deploy-manifest rollback                       # undoes the last write
  deploy-manifest rollback --service web         # web's release before, and nothing else
  deploy-manifest history                        # which generations there are
  deploy-manifest rollback 12 --dry-run
  deploy-manifest rollback 12 -m "the new menu breaks the checkout"
  deploy-manifest rollback manifest-20261215T120000Z.json --service web`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeVersionArgument,
		RunE: func(c *cobra.Command, args []string) error {
			o := manifest.RollbackOptions{Service: service, By: a.who()}
			if len(args) > 0 {
				o.To = archiveName(args[0])
			}
			return a.rollback(c, w, o)
		},
	}
	c.Flags().StringVar(&service, "service", "", "take back the release of this service only")
	_ = c.RegisterFlagCompletionFunc("service", func(c *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return a.completeService(c, nil, word)
	})
	w.flags(c)
	w.removalFlag(c)
	return c
}

func (a *app) rollback(c *cobra.Command, w write, o manifest.RollbackOptions) error {
	if c.Flags().Changed("service") && o.Service == "" {
		return cli.Usagef("--service names no service")
	}
	objects, location, err := cli.OpenStore(c.Context(), a.store)
	if err != nil {
		return err
	}
	if o.Service != "" && o.To == "" {
		o.Bad = judgements(c, objects)
	}
	way, err := a.repositoryOf(c, objects, location).Rollback(c.Context(), o)
	if err != nil {
		return usage(err)
	}
	for _, s := range way.Skipped {
		fmt.Fprintf(c.OutOrStdout(), "skipped generation %d (%s): rolled back on %s\n", s.Version.Manifest.Generation, s.Revision, strings.Join(s.Hosts, ", "))
	}
	w.message = cmp.Or(w.message, way.Message)
	w.replace, w.cached = o.Service == "", true
	edited, err := a.edit(c, w, way.Edit)
	if err == nil && edited != nil && manifest.IsArchive(edited.Archive) {
		fmt.Fprintf(c.OutOrStdout(), "to undo this rollback: deploy-manifest rollback %s\n", edited.Archive)
	}
	return err
}

// judgements reads what the hosts say of releases, those of hosts that the manifest names no
// more among them. What cannot be read must not keep anybody from going back.
func judgements(c *cobra.Command, objects providers.Objects) func(lineage string, r v1.Release) []string {
	reader := fleet.NewReader(objects)
	hosts, err := reader.Reporting(c.Context())
	if err != nil {
		c.PrintErrf("warning: releases that a host judged bad are not skipped: %v\n", err)
		return nil
	}
	reports := reader.Read(c.Context(), hosts)
	for _, r := range reports {
		if r.Err != nil {
			c.PrintErrf("warning: releases that %s judged bad are not skipped: %v\n", r.Host, r.Err)
		}
	}
	return func(lineage string, r v1.Release) []string {
		return fleet.BadOn(reports, lineage, r.Service, r.Revision())
	}
}
