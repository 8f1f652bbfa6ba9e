package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/cli"
	"deployer/providers/systemd"
)

func (a *app) logsCommand() *cobra.Command {
	var follow bool
	var lines int
	var since string
	c := &cobra.Command{
		Use:   "logs SERVICE",
		Short: "Show the journal of a service: both slots and the health command",
		Long: `logs shows the journal of all units of a service, in the order of time: web.service, its
standby web-standby.service, which runs while a release overlaps the one before, and
web.check.service and web-standby.check.service, in which the health command
(health.exec) runs and says why the service is not well. What systemd says of them is
there, too: how a process ended, and that it was started again.

For the service alone: journalctl -u web. What the daemon did: journalctl -u biz-deployer,
and its reasons: deployerctl why web.`,
		Example: "  deployerctl logs web\n  deployerctl logs web -f\n  deployerctl logs web --since '10 min ago'",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: a.completeServices,
		RunE: func(_ *cobra.Command, args []string) error {
			if strings.ContainsAny(args[0], "/.@* ") {
				return cli.Usagef("%q is not the name of a service; `deployerctl status` lists them", args[0])
			}
			journalctl, err := exec.LookPath("journalctl")
			if err != nil {
				return errors.New("journalctl is not on this machine: logs are read from systemd's journal")
			}
			argv := []string{"journalctl", "--no-pager", "-n", strconv.Itoa(lines)}
			for _, unit := range systemd.UnitsOf(args[0]) {
				argv = append(argv, "-u", unit)
			}
			if follow {
				argv = append(argv, "-f")
			}
			if since != "" {
				argv = append(argv, "--since", since)
			}
			// journalctl takes our place, so that signals and the terminal are its own.
			err = syscall.Exec(journalctl, argv, os.Environ()) //nolint:gosec // fixed program, arguments are not a shell's
			return fmt.Errorf("running journalctl: %w", err)
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new lines")
	c.Flags().IntVarP(&lines, "lines", "n", 200, "how many lines to show")
	c.Flags().StringVar(&since, "since", "", "show lines from this time on, as journalctl writes it")
	return c
}
