package main

import (
	"context"
	"fmt"
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

// completeVersion offers the last generations, with what they were written for, and then
// the archived versions by their names.
func (a *app) completeVersion(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	stop := hurry(c)
	defer stop()
	r, err := a.repository(c)
	if err != nil {
		return nil, directive
	}
	out := []string{manifest.Previous}
	// What can be read in time is offered; the rest is a matter of convenience.
	entries, _ := r.History(c.Context(), manifest.HistoryOptions{Limit: usualHistory})
	for _, e := range entries {
		if e.Generation > 0 && !e.InForce {
			out = append(out, cobra.CompletionWithDesc(fmt.Sprint(e.Generation), e.Message))
		}
	}
	names, _ := r.Archives(c.Context())
	return append(out, names...), directive
}

func (a *app) completeVersionArgument(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeVersion(c, args, word)
}

// completeSides offers what diff compares; that may be files, too.
func (a *app) completeSides(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := a.completeVersion(c, args, word)
	return append([]string{manifest.Current}, names...), cobra.ShellCompDirectiveDefault | cobra.ShellCompDirectiveKeepOrder
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
