package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/hostconfig"
	"deployer/cmd/internal/install"
)

// installed is what install did, and what doctor says then.
type installed struct {
	Steps  []install.Line `json:"steps"`
	Doctor []finding      `json:"doctor,omitempty"`
}

func (a *app) installCommand() *cobra.Command {
	var o install.Options
	var format cli.Format
	c := &cobra.Command{
		Use:   "install",
		Short: "Set this Debian or Ubuntu host up, or see that it still is",
		Long: `install sets a host up: programs in /usr/local/bin (copied from beside this one), directories,
the configuration, the daemon's units, and a unit for Caddy with --resume and its admin API
on a unix socket. It enables and starts them, and ends with doctor and its exit code.

Run it again as often as you like, and from a newer build to upgrade: each line says "ok"
(as it should be), "made" or "changed". "kept" is something that somebody else wrote: it is
left alone unless --force is given, which keeps a copy as .bak. "missing" is for you to
bring: Nix, Caddy. The configuration that is there stays; where it says something else than
the flags, a line says so.

On NixOS import config/nixos/module.nix instead.`,
		Example: `  deployerctl install --dry-run       # what it would do
  sudo bin/deployerctl install --store 's3://acme-deploy?endpoint=nyc3.digitaloceanspaces.com&profile=acme' \
      --trusted-key acme-1:Wl0nDZ0mPCSLcRbC2BIWXkXmlCm5wc3yMYVIJ2vPzRE=
  sudo deployerctl install            # is everything still in place?
  sudo deployerctl install --host biz2 --force   # change the name in the configuration that is there`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.install(c, format, o) },
	}
	f := c.Flags()
	f.StringVar(&o.Store, "store", "", "the store; file:///var/lib/biz-deployer/store if there is no configuration yet")
	f.StringVar(&o.Host, "host", "", "the name by which the manifest means this host; this machine's own if there is no configuration yet")
	f.StringArrayVar(&o.TrustedKeys, "trusted-key", nil, "a `key` that closures may be signed with, name:base64 as deploy-manifest keygen prints it; repeat it for several")
	f.BoolVar(&o.Force, "force", false, "replace what somebody else wrote, and keep a copy as .bak")
	f.BoolVar(&o.DryRun, "dry-run", false, "change nothing, and print what would be done")
	f.BoolVar(&o.WithoutCaddy, "without-caddy", false, "leave Caddy alone")
	f.BoolVar(&o.NoStart, "no-start", false, "enable the units and start none: for images")
	cli.FormatFlag(c, &format, cli.Table)
	return c
}

func (a *app) install(c *cobra.Command, format cli.Format, o install.Options) error {
	out := c.OutOrStdout()
	var all installed
	words := done()
	if o.DryRun {
		words = would()
	}
	o.Say = func(l install.Line) {
		all.Steps = append(all.Steps, l)
		if format == cli.Table {
			fmt.Fprintln(out, stepLine(l, words))
		}
	}
	err := install.Run(c.Context(), o)
	if (err == nil || errors.Is(err, install.ErrUnfulfilled)) && !o.DryRun && !o.NoStart {
		a.config = hostconfig.Path
		a.awaitDaemon(c.Context())
		all.Doctor = a.examine(c.Context(), deepCheck{})
	}
	return errors.Join(a.printInstalled(out, format, all), verdict(all.Doctor, err))
}

func (a *app) printInstalled(w io.Writer, format cli.Format, all installed) error {
	return cli.Print(w, format, all, func(w io.Writer) error {
		if len(all.Doctor) == 0 {
			return nil
		}
		fmt.Fprintln(w, "\nand doctor says:")
		return printFindings(w, all.Doctor)
	})
}

// verdict is the doctor's, where he was asked.
func verdict(findings []finding, err error) error {
	for _, f := range findings {
		if !f.OK {
			return cli.Exit(cli.ExitFailed, nil)
		}
	}
	return err
}

// done and would are the words for what was done, and for what a dry run would do.
func done() map[install.Result]string {
	return map[install.Result]string{
		install.OK: "ok", install.Made: "made", install.Changed: "changed", install.Kept: "kept", install.Missing: "missing",
	}
}

func would() map[install.Result]string {
	return map[install.Result]string{
		install.OK: "ok", install.Made: "would make", install.Changed: "would change", install.Kept: "would keep", install.Missing: "missing",
	}
}

// stepLine has the result first, so that the eye finds what is not ok.
func stepLine(l install.Line, words map[install.Result]string) string {
	line := fmt.Sprintf("%-*s  %s", len(words[install.Changed]), words[l.Result], l.What)
	if l.Note != "" {
		line += ": " + l.Note
	}
	return line
}

// awaitDaemon gives a daemon that was just started a moment to open its socket.
func (a *app) awaitDaemon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		if _, err := a.client.Status(ctx); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}
