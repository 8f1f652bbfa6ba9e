package main

import (
	"fmt"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
)

func (a *app) rollbackCommand() *cobra.Command {
	var w write
	c := &cobra.Command{
		Use:   "rollback ARCHIVE",
		Short: "Bring back an archived version, as a new generation",
		Long: `rollback writes the services of an archived version as a new generation. Services that it
did not have are removed; those that come back are wanted again. The manifest in force is
archived first, so a rollback can be rolled back. This is also the way out when the
manifest in the store is lost or damaged: lineage and generation then follow from the
archive, and damaged bytes are kept as damaged-….json.`,
		Example: `  deploy-manifest list -o table
  deploy-manifest rollback manifest-20261215T120000Z.json
  deploy-manifest rollback manifest-20261215T120000Z.json --dry-run
  deploy-manifest rollback "$(deploy-manifest list -n 1)"     # the newest`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeArchiveArgument,
		RunE: func(c *cobra.Command, args []string) error { return a.rollback(c, w, archiveName(args[0])) },
	}
	w.flags(c)
	w.removalFlag(c)
	return c
}

func (a *app) rollback(c *cobra.Command, w write, name string) error {
	r, err := a.repository(c)
	if err != nil {
		return err
	}
	old, err := r.ReadArchive(c.Context(), name)
	if err != nil {
		return usage(err)
	}
	if w.message == "" {
		w.message = fmt.Sprintf("rollback to %s (generation %d)", name, old.Generation)
	}
	w.replace = true
	edited, err := a.edit(c, w, func(m *v1.Manifest) error { return manifest.Restore(m, old, a.who()) })
	if err == nil && edited != nil && manifest.IsArchive(edited.Archive) {
		fmt.Fprintf(c.OutOrStdout(), "to undo this rollback: deploy-manifest rollback %s\n", edited.Archive)
	}
	return err
}
