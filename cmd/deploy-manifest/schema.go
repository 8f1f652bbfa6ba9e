package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"deployer/config/schema"
)

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of the manifest",
		Long: `schema prints the JSON schema of the manifest, with a sentence for every field. Editors
complete and check files with it.`,
		Example: `  deploy-manifest schema > manifest.schema.json
  deploy-manifest schema | jq '."$defs".Health'
  # first line of a YAML file, for the YAML language server:
  # yaml-language-server: $schema=manifest.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(c.OutOrStdout(), schema.Manifest())
			return err
		},
	}
}
