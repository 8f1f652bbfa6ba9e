package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/fleet"
	"deployer/providers/statefile"
)

// seen is a state and how it was come by.
type seen struct {
	v1.HostState
	// live: the daemon gave it just now. Otherwise it is what a daemon wrote last.
	live bool
	// refused: the daemon was not asked, for only root may.
	refused bool
}

// blank: the daemon has not seen a manifest yet, not even an old one.
func (s seen) blank() bool { return s.Manifest.LastRead.IsZero() && s.ObservedGeneration == 0 }

func (a *app) statusCommand() *cobra.Command {
	var format cli.Format
	var watch bool
	c := &cobra.Command{
		Use:   "status [SERVICE]",
		Short: "Show what this host runs, and whether it is as wanted",
		Long: `status shows every service of this host, or one with all that is known about it: what the
manifest wants, what really runs, and why the two differ.

With the daemon down it shows what the daemon wrote last, says how old that is, and ends
with 4. Otherwise: 0 all as wanted, 3 something failed, 4 something is unknown or the
manifest is stale, 5 something is still going on.`,
		Example: "  deployerctl status\n  deployerctl status web\n  deployerctl status --watch\n  deployerctl status -o json | jq '.services[].state'",
		Args:    cobra.MaximumNArgs(1), ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			show := func() error { return a.showStatus(c, format, args) }
			if !watch {
				return show()
			}
			return watching(c.Context(), c.OutOrStdout(), show)
		},
	}
	cli.FormatFlag(c, &format, cli.Table)
	c.Flags().BoolVarP(&watch, "watch", "w", false, "show it again every second, until interrupted")
	return c
}

func (a *app) showStatus(c *cobra.Command, format cli.Format, args []string) error {
	state, err := a.look(c.Context())
	if err != nil {
		return err
	}
	out := c.OutOrStdout()
	if !state.live && !state.refused && format != cli.Table {
		fmt.Fprintf(c.ErrOrStderr(), "the daemon does not run: this is what it wrote %s ago\n", ago(state.UpdatedAt))
	}
	if len(args) == 0 {
		if err := cli.Print(out, format, state.HostState, func(w io.Writer) error { return printHost(w, state) }); err != nil {
			return err
		}
		return codeOf(state, state.Services)
	}
	for _, s := range state.Services {
		if s.Name != args[0] {
			continue
		}
		if err := cli.Print(out, format, s, func(w io.Writer) error { return printService(w, state, s) }); err != nil {
			return err
		}
		return codeOf(state, []v1.ServiceState{s})
	}
	return cli.Exit(cli.ExitUnknown, fmt.Errorf("no service %s is known on %s: `deployerctl status` lists them, `deploy-manifest show %s` says on which hosts it belongs",
		args[0], state.Host, args[0]))
}

// look asks the daemon, and reads state.json when there is none.
func (a *app) look(ctx context.Context) (seen, error) {
	state, err := a.client.Status(ctx)
	if err == nil {
		return seen{HostState: state, live: true}, nil
	}
	if !unanswered(err) {
		return seen{}, err
	}
	old, loadErr := statefile.NewReader(a.paths()).LoadState(ctx)
	if loadErr != nil {
		return seen{}, cli.Exit(cli.ExitUnknown, err)
	}
	return seen{HostState: old, refused: errors.Is(err, os.ErrPermission)}, nil
}

// codeOf is the worst of what was shown; it prints nothing.
func codeOf(state seen, services []v1.ServiceState) error {
	if !state.live {
		return cli.Exit(cli.ExitUnknown, nil)
	}
	code := cli.ExitOK
	if state.Manifest.StaleSince != nil || state.blank() {
		code = cli.ExitUnknown
	}
	for _, s := range services {
		code = worse(code, serviceCode(s))
	}
	if code == cli.ExitOK {
		return nil
	}
	return cli.Exit(code, nil)
}

// worse: failed before unknown before progressing.
func worse(a, b int) int {
	rank := map[int]int{cli.ExitOK: 0, cli.ExitDifferent: 1, cli.ExitUnknown: 2, cli.ExitFailed: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

func serviceCode(s v1.ServiceState) int {
	switch {
	case s.State == v1.Stalled, s.Health == v1.Failed, s.Health == v1.Degraded:
		return cli.ExitFailed
	case s.Sync == v1.SyncUnknown:
		return cli.ExitUnknown
	case s.Reason == fleet.HeldByFleet:
		return cli.ExitFailed
	case s.Reason == fleet.WaitsForCanary:
		return cli.ExitDifferent
	case s.State == v1.Waiting, s.State == v1.HeldState:
		return cli.ExitOK
	case s.Sync != v1.Synced, s.Health == v1.Progressing:
		return cli.ExitDifferent
	}
	return cli.ExitOK
}

// watching shows again and again; on a terminal each time on a cleared screen.
func watching(ctx context.Context, w io.Writer, show func() error) error {
	for {
		if cli.IsTerminal(w) {
			fmt.Fprint(w, "\033[H\033[2J")
		}
		err := show()
		var coded *cli.CodedError
		if err != nil && (!errors.As(err, &coded) || coded.Err != nil) {
			fmt.Fprintln(w, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}
