package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) adoptCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "adopt",
		Short: "Obey the manifest that the store has now, also when it is of another lineage",
		Long: `adopt makes this host obey the lineage, and the generation, of the manifest that the store
has now. Until somebody says this, a host refuses another lineage (after "deploy-manifest
init" in another store, or a store that was made anew), an older generation, and a manifest
that takes a protected service down without a word of it before.

Services that the new manifest does not mention keep running and are shown as Unlisted.`,
		Example: "  deployerctl adopt",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			answer, err := a.client.Adopt(c.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "this host now obeys lineage %s, generation %d\n", answer.Lineage, answer.Generation)
			return nil
		},
	}
}
