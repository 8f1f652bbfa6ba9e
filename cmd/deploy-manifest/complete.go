package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"deployer/controllers/manifest"
)

// patience is how long a shell waits for names; a slow store offers none.
const patience = 1500 * time.Millisecond

// completeService offers the services of the manifest for the first argument.
func (a *app) completeService(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	stop := hurry(c)
	defer stop()
	r, err := a.repository(c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	s, err := r.Read(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, service := range s.Manifest.Services {
		names = append(names, service.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeArchives(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	stop := hurry(c)
	defer stop()
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	r, err := a.repository(c)
	if err != nil {
		return nil, directive
	}
	names, err := r.Archives(c.Context())
	if err != nil {
		return nil, directive
	}
	return names, directive
}

func (a *app) completeArchiveArgument(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeArchives(c, args, word)
}

// hurry bounds the command's context.
func hurry(c *cobra.Command) context.CancelFunc {
	parent := c.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, stop := context.WithTimeout(parent, patience)
	c.SetContext(ctx)
	return stop
}

// archiveName adds the .json that people leave out.
func archiveName(name string) string {
	if manifest.IsArchive(name + ".json") {
		return name + ".json"
	}
	return name
}
