package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/tell"
	"deployer/providers/statefile"
)

func (a *app) historyCommand() *cobra.Command {
	var format cli.Format
	c := &cobra.Command{
		Use:   "history SERVICE",
		Short: "List what was deployed of a service on this host, and how it went",
		Long: `history lists the last 50 deployments of a service on this host, newest first: when it
began, how long until requests went to it and until it was over, who wanted it, and how it
ended: Settled, RolledBack, Failed (with none to go back to), Superseded, or Rolling.

It works without a daemon, too.`,
		Example: "  deployerctl history web\n  deployerctl history web -o json | jq '.[] | select(.outcome==\"RolledBack\")'",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			all, err := a.deployments(c.Context(), args[0])
			if err != nil {
				return err
			}
			if len(all) == 0 {
				return cli.Exit(cli.ExitUnknown, fmt.Errorf("no deployment of %s is recorded on this host; `deployerctl status` lists what runs here", args[0]))
			}
			return cli.Print(c.OutOrStdout(), format, all, func(w io.Writer) error { return printHistory(w, all) })
		},
	}
	cli.FormatFlag(c, &format, cli.Table)
	return c
}

// deployments asks the daemon, and reads the file when there is none to ask.
func (a *app) deployments(ctx context.Context, service string) ([]v1.Deployment, error) {
	answer, err := a.client.History(ctx, service)
	if !unanswered(err) {
		return answer.Deployments, err
	}
	all, fileErr := statefile.NewReader(a.paths()).Deployments(ctx, service)
	if fileErr != nil {
		return nil, cli.Exit(cli.ExitUnknown, fmt.Errorf("%w; %w", err, fileErr))
	}
	return all, nil
}

func printHistory(w io.Writer, all []v1.Deployment) error {
	t := cli.NewTable(w, "began (utc)", "live after", "over after", "revision", "commit", "by", "outcome", "reason")
	for _, d := range all {
		t.AppendRow([]any{
			d.Began.UTC().Format(time.DateTime), after(d.Began, d.LiveAt), after(d.Began, d.EndedAt), d.Revision,
			or(short(d.Commit), "-"), or(d.By, "-"), d.Outcome, whyEnded(d),
		})
	}
	t.Render()
	return nil
}

// after is how long it took; "-" when that never came.
func after(began, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return tell.Span(t.Sub(began))
}

// whyEnded is the reason of a bad end; of any other what was changed.
func whyEnded(d v1.Deployment) string {
	switch {
	case d.Detail != "":
		return shortened(d.Reason + ": " + tell.Brief(d.Detail))
	case d.Reason != "":
		return d.Reason
	case d.Message != "":
		return shortened(d.Message)
	}
	return shortened(strings.Join(d.Changed, ", "))
}
