package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
)

// write is one change of the manifest, with the flags that all changes have.
type write struct {
	message          string
	dryRun           bool
	allowMassRemoval bool
}

func (w *write) flags(c *cobra.Command) {
	c.Flags().StringVarP(&w.message, "message", "m", "", "why, for people")
	c.Flags().BoolVar(&w.dryRun, "dry-run", false, "print what would change, and write nothing")
}

func (w *write) removalFlag(c *cobra.Command) {
	c.Flags().BoolVar(&w.allowMassRemoval, "allow-mass-removal", false, "let it remove more than one service and over 30 % of them")
}

// edit applies a change and says what it did. It gives nil when nothing was written.
func (a *app) edit(c *cobra.Command, w write, change func(*v1.Manifest) error) (*manifest.Edited, error) {
	r, err := a.repository(c)
	if err != nil {
		return nil, err
	}
	edited, err := r.Edit(c.Context(), manifest.EditOptions{
		By: a.who(), Message: w.message, AllowMassRemoval: w.allowMassRemoval, DryRun: w.dryRun,
	}, change)
	if err != nil {
		return nil, err
	}
	report(c.OutOrStdout(), r.StoreName(), edited)
	if !edited.Changed || edited.Archive == "" {
		return nil, nil
	}
	return edited, nil
}

// report says what an edit changed, what that means for the hosts, and where it is written.
func report(w io.Writer, store string, e *manifest.Edited) {
	if !e.Changed {
		fmt.Fprintf(w, "nothing to change: generation %d in %s is so already\n", e.After.Generation, store)
		return
	}
	changes := v1.Diff(e.Before, e.After)
	fmt.Fprint(w, v1.FormatDiff(changes))
	for _, line := range effects(changes, e.After) {
		fmt.Fprintln(w, line)
	}
	if e.Archive == "" {
		fmt.Fprintf(w, "dry run: nothing was written; generation %d in %s stays in force\n", e.Before.Generation, store)
		return
	}
	fmt.Fprintf(w, "wrote generation %d to %s\n", e.After.Generation, store)
	fmt.Fprintf(w, "generation %d is archived as %s\n", e.Before.Generation, e.Archive)
}

// effects says, for each changed service, whether its program is started anew.
func effects(changes []v1.Change, after *v1.Manifest) []string {
	var names []string
	restarts := map[string]bool{}
	for _, c := range changes {
		s := after.Service(c.Service)
		if s == nil || c.Field == "" || c.Field == "removed" {
			continue
		}
		if !slices.Contains(names, c.Service) {
			names = append(names, c.Service)
		}
		restarts[c.Service] = restarts[c.Service] || c.NewProcess && s.HasRelease()
	}
	var out []string
	for _, name := range names {
		s := after.Service(name)
		switch {
		case !s.HasRelease():
			out = append(out, fmt.Sprintf("→ %s waits for its first release: `deploy-push %s STORE_PATH`", name, name))
		case restarts[name]:
			out = append(out, fmt.Sprintf("→ %s starts a new process on %s", name, strings.Join(s.Hosts, ", ")))
		default:
			out = append(out, fmt.Sprintf("→ %s changes in place: no process is restarted", name))
		}
	}
	return out
}

// usage gives an error in what the person typed its exit code.
func usage(err error) error {
	var unknown *manifest.UnknownServiceError
	var invalid v1.ErrorList
	var coded *cli.CodedError
	switch {
	case err == nil, errors.As(err, &coded):
		return err
	case errors.As(err, &unknown), errors.As(err, &invalid):
		return cli.Exit(cli.ExitUsage, err)
	}
	return err
}
