package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
	"deployer/providers"
)

// write is one change of the manifest, with the flags that all changes have.
type write struct {
	message          string
	dryRun           bool
	allowMassRemoval bool
	// replace: a manifest in force that cannot be read is no obstacle.
	replace bool
	// cached: warn of releases that the cache has not.
	cached bool
}

func (w *write) flags(c *cobra.Command) {
	w.messageFlag(c)
	c.Flags().BoolVar(&w.dryRun, "dry-run", false, "print what would change, and write nothing")
}

func (w *write) messageFlag(c *cobra.Command) {
	c.Flags().StringVarP(&w.message, "message", "m", "", "why, for people (left out: made from the change)")
}

func (w *write) removalFlag(c *cobra.Command) {
	c.Flags().BoolVar(&w.allowMassRemoval, "allow-mass-removal", false, "let it remove more than one service and over 30 % of them")
}

// edit applies a change and says what it did. It gives nil when nothing was written.
func (a *app) edit(c *cobra.Command, w write, change func(*v1.Manifest) error) (*manifest.Edited, error) {
	objects, location, err := cli.OpenStore(c.Context(), a.store)
	if err != nil {
		return nil, err
	}
	r := a.repositoryOf(c, objects, location)
	reliance := &reliance{a: a, c: c, w: w, objects: objects}
	defer reliance.end()
	edited, err := r.Edit(c.Context(), manifest.EditOptions{
		By: a.who(), Message: w.message, AllowMassRemoval: w.allowMassRemoval, DryRun: w.dryRun, Replace: w.replace,
	}, reliance.during(change))
	if err != nil {
		return nil, err
	}
	report(c.OutOrStdout(), r.StoreName(), edited)
	if !edited.Written {
		return nil, nil
	}
	return edited, nil
}

// report says what an edit changed, what that means for the hosts, and where it is written.
func report(w io.Writer, store string, e *manifest.Edited) {
	if !e.Changed {
		fmt.Fprintf(w, "nothing to change: generation %d in %s says so already\n", e.After.Generation, store)
		return
	}
	fmt.Fprint(w, v1.FormatDiff(v1.Diff(e.Before, e.After)))
	if e.Lost {
		fmt.Fprintln(w, "→ what was in force before cannot be read: hosts go on with what agrees with this, and change the rest")
	}
	for _, s := range e.After.Services {
		if e.Lost {
			break
		}
		for _, effect := range effects(e.Before.Service(s.Name), s, e.After.UpdatedAt) {
			fmt.Fprintf(w, "→ %s %s\n", s.Name, effect)
		}
	}
	if !e.Written {
		stays := fmt.Sprintf("generation %d in %s stays in force", e.Before.Generation, store)
		if e.Lost {
			stays = "there is still no usable manifest in " + store
		}
		fmt.Fprintf(w, "dry run: nothing was written; %s\n", stays)
		return
	}
	fmt.Fprintf(w, "wrote generation %d to %s\n", e.After.Generation, store)
	if e.Archive == "" {
		return // the one before is lost
	}
	fmt.Fprintf(w, "generation %d is archived as %s\n", e.Before.Generation, e.Archive)
}

// effects says what a change of a service does on the hosts; nothing when it did not change.
func effects(before *v1.Service, after v1.Service, now time.Time) []string {
	waits := fmt.Sprintf("waits for its first release: `deploy-push %s STORE_PATH`", after.Name)
	if before == nil {
		if !after.HasRelease() {
			return []string{waits}
		}
		return []string{"starts on " + strings.Join(after.Hosts, ", ")}
	}
	changes := v1.DiffService(*before, after)
	if len(changes) == 0 {
		return nil
	}
	stay, come, gone := hosts(*before, after)
	var out []string
	add := func(hosts []string, what string) {
		if len(hosts) > 0 {
			out = append(out, what+" on "+strings.Join(hosts, ", ")+afterHold(after, now))
		}
	}
	if held := holdEffects(changes, after, now); held != nil {
		return held
	}
	restarts := slices.ContainsFunc(changes, func(c v1.Change) bool { return c.NewProcess })
	switch {
	case !after.HasRelease() && before.HasRelease() && len(stay) > 0:
		out = append(out, fmt.Sprintf("has no release any more: what runs on %s goes on running, until `deploy-push %s STORE_PATH` names another",
			strings.Join(stay, ", "), after.Name))
	case !after.HasRelease():
		out = append(out, waits)
	case restarts:
		add(stay, "starts a new process")
		add(come, "starts")
	default:
		add(stay, "changes in place, without a restart,")
		add(come, "starts")
	}
	add(gone, "is taken down")
	return out
}

// hosts tells which hosts of a service stay, come and go.
func hosts(before, after v1.Service) (stay, come, gone []string) {
	for _, host := range after.Hosts {
		if before.RunsOn(host) {
			stay = append(stay, host)
		} else {
			come = append(come, host)
		}
	}
	for _, host := range before.Hosts {
		if !after.RunsOn(host) {
			gone = append(gone, host)
		}
	}
	return stay, come, gone
}

// usage gives an error in what the person typed its exit code.
func usage(err error) error {
	var unknown *manifest.UnknownServiceError
	var invalid v1.ErrorList
	var coded *cli.CodedError
	var stored *manifest.InvalidError
	switch {
	case err == nil, errors.As(err, &coded), errors.As(err, &stored):
		return err
	case errors.As(err, &unknown), errors.As(err, &invalid), providers.ReasonOf(err) == "ArchiveUnknown":
		return cli.Exit(cli.ExitUsage, err)
	}
	return err
}
