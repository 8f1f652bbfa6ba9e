package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/cli"
	"deployer/controllers"
	"deployer/controllers/tell"
	"deployer/providers"
)

func (a *app) holdCommand() *cobra.Command {
	var flags cli.HoldFlags
	c := &cobra.Command{
		Use:   "hold SERVICE --reason WHY",
		Short: "Leave a service on this host as it is, for a while",
		Long: `hold pauses one service on this host: what differs from the manifest is reported and not
put right, and new releases wait. A rollout that is under way comes to a point where it can
rest first. What runs goes on running, and systemd still restarts it when it ends.

The hold ends by itself: after two hours unless you say otherwise. It outlives restarts of
the daemon and of the host. A second hold takes the place of the first. For all hosts at
once: deploy-manifest hold.`,
		Example: `  deployerctl hold web --reason "load test"                  # for 2 h
  deployerctl hold web --reason "editing its unit" --for 30m
  deployerctl hold web --reason "the database moves" --until 18:30
  deployerctl hold web --reason "kept for the auditors" --forever`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			h, err := flags.Hold(a.who(), a.now())
			if err != nil {
				return err
			}
			answer, err := a.client.Hold(c.Context(), args[0], h)
			if err != nil {
				return coded(err)
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "%s is held on this host by %s\n", args[0], tell.Hold(h, a.now()))
			if answer.Before != nil {
				fmt.Fprintf(out, "that takes the place of the hold by %s\n", tell.Hold(*answer.Before, a.now()))
			}
			fmt.Fprintf(out, "what differs is reported and not put right, and releases wait; `deployerctl unhold %s` ends it\n", args[0])
			return nil
		},
	}
	flags.Add(c)
	return c
}

func (a *app) unholdCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unhold SERVICE",
		Short: "End the hold of a service on this host",
		Long: `unhold ends the hold that "deployerctl hold" set on this host: what differs from the
manifest is put right at once. A hold in the manifest stays: deploy-manifest unhold ends that.`,
		Example: "  deployerctl unhold web",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			answer, err := a.client.Unhold(c.Context(), args[0], a.who())
			if err != nil {
				return coded(err)
			}
			return a.printUnheld(c.OutOrStdout(), args[0], answer)
		},
	}
}

// printUnheld also says when the manifest holds the service, which nothing here can end.
func (a *app) printUnheld(w io.Writer, service string, u controllers.Unheld) error {
	if u.Was != nil {
		fmt.Fprintf(w, "%s: the hold by %s is over\n", service, tell.Hold(*u.Was, a.now()))
	}
	switch {
	case u.Stays != nil:
		text := fmt.Sprintf("%s is held in the manifest, by %s: `deploy-manifest unhold %s` ends that, for all hosts",
			service, tell.Hold(*u.Stays, a.now()), service)
		if u.Was == nil {
			return errors.New(text)
		}
		fmt.Fprintln(w, "but "+text)
	case u.Was == nil:
		fmt.Fprintf(w, "%s is not held\n", service)
	}
	return nil
}

// coded gives the daemon's no the exit code that it means.
func coded(err error) error {
	switch providers.ReasonOf(err) {
	case controllers.ServiceUnknown:
		return cli.Exit(cli.ExitUnknown, err)
	case "HoldInvalid":
		return cli.Exit(cli.ExitUsage, err)
	}
	return err
}
