package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
	"deployer/providers/objectstore"
)

func (a *app) initCommand() *cobra.Command {
	var o manifest.EditOptions
	c := &cobra.Command{
		Use:   "init",
		Short: "Write the first, empty manifest into a store",
		Long: `init writes the first manifest, without services, as generation 1 of a new lineage. It
never overwrites one that is there. The directory of a file:// store is made when it is
missing; a bucket is not.

Where versions are archived but the manifest is gone, it was lost: init refuses, for hosts
obey no other lineage until "deployerctl adopt" on each. "deploy-manifest rollback" brings
one back; --new-lineage begins anew all the same.`,
		Example: `  deploy-manifest init
  deploy-manifest init --store 's3://acme-deploy?endpoint=nyc3.digitaloceanspaces.com&profile=acme'
  sudo deploy-manifest init      # on a single host with the daemon and no S3`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.init(c, o) },
	}
	c.Flags().StringVarP(&o.Message, "message", "m", "", "why, for people")
	c.Flags().BoolVar(&o.NewLineage, "new-lineage", false, "begin anew in a store that has archived versions")
	return c
}

func (a *app) init(c *cobra.Command, o manifest.EditOptions) error {
	objects, location, err := cli.InitStore(c.Context(), a.store)
	if err != nil {
		return err
	}
	o.By = a.who()
	m, err := a.repositoryOf(c, objects, location).Init(c.Context(), o)
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	fmt.Fprintf(out, "wrote generation %d to %s: no services yet, lineage %s\n", m.Generation, location, m.Lineage)
	fmt.Fprintln(out, "next:")
	fmt.Fprintln(out, "  add a service: deploy-manifest add-service -f FILE (--help shows one)")
	if location.Scheme == objectstore.SchemeS3 {
		fmt.Fprintf(out, "  on every host: `store: %s` in %s\n", location, cli.HostConfigPath)
	}
	fmt.Fprintln(out, "  on a host that obeyed another manifest before: deployerctl adopt")
	return nil
}
