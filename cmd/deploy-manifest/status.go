package main

import (
	"io"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/await"
	"deployer/cmd/internal/cli"
)

func (a *app) statusCommand() *cobra.Command {
	var format cli.Format
	var flags await.Flags
	c := &cobra.Command{
		Use:   "status [SERVICE]",
		Short: "Show what every host runs, and whether it is as wanted",
		Long: `status shows the fleet, without SSH: each service on each host, what the manifest wants of it
and what serves, since when and why; and the hosts: when each reported last, which
generation it obeys, and which ones have gone silent (no report for 3 minutes, or none
ever). It reads what the hosts write to status/<host>.json in the store.

It ends with 0 when all is as wanted, 3 when something failed or was rolled back, 4 when
something is unknown or a host is silent, and 5 while something goes on. With --wait it
ends when every host has a verdict on the manifest as it is now; a host that stays silent
for 30 s is not waited for any longer.`,
		Example: `  deploy-manifest status
  deploy-manifest status web --wait
  deploy-manifest status -o json | jq '.services[] | select(.outcome != "AsWanted")'`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error {
			service := ""
			if len(args) > 0 {
				service = args[0]
			}
			return a.status(c, service, format, &flags)
		},
	}
	cli.FormatFlag(c, &format, cli.Table)
	flags.Add(c, "wait until every host has a verdict on the manifest's present generation")
	return c
}

func (a *app) status(c *cobra.Command, service string, format cli.Format, flags *await.Flags) error {
	objects, location, err := cli.OpenStore(c.Context(), a.store)
	if err != nil {
		return err
	}
	o := await.Options{
		Objects: objects, Repository: a.repositoryOf(c, objects, location), Service: service, Now: a.now,
		Out: c.OutOrStdout(), Timeout: flags.Timeout(),
	}
	if flags.Said() {
		if format != cli.Table {
			o.Out = io.Discard
		}
		if err := await.Wait(c.Context(), o); err != nil || format == cli.Table {
			return a.waited(c, o, format, err)
		}
	}
	return a.showFleet(c, o, format)
}

// waited prints data also of a wait that did not end well, for scripts.
func (a *app) waited(c *cobra.Command, o await.Options, format cli.Format, err error) error {
	if format == cli.Table || cli.CodeOf(err) < cli.ExitFailed {
		return err
	}
	if _, printErr := a.printFleet(c, o, format); printErr != nil {
		return printErr
	}
	return err
}

func (a *app) showFleet(c *cobra.Command, o await.Options, format cli.Format) error {
	code, err := a.printFleet(c, o, format)
	if err != nil || code == cli.ExitOK {
		return err
	}
	return cli.Exit(code, nil)
}

func (a *app) printFleet(c *cobra.Command, o await.Options, format cli.Format) (code int, err error) {
	v, err := await.NewFleet(o).Look(c.Context())
	if err != nil {
		return cli.ExitError, err
	}
	err = cli.Print(c.OutOrStdout(), format, v, func(w io.Writer) error { return await.PrintFleet(w, v, o.Repository.StoreName()) })
	return await.Code(v.Worst()), err
}
