package main

import (
	"os"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/pushconfig"
)

// complete offers what push.yaml names, and files: it asks no store.
func complete(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	config, err := pushconfig.Find(dir)
	if err != nil || config == nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return config.Known(), cobra.ShellCompDirectiveDefault
}
