package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/host"
	"deployer/cmd/internal/hostconfig"
	"deployer/providers/nix"
)

// finding is one line of the doctor.
type finding struct {
	Check   string `json:"check"`
	OK      bool   `json:"ok"`
	Message string `json:"message"`
	// Remedy is what to do when it is not OK.
	Remedy string `json:"remedy,omitempty"`
}

func (a *app) doctorCommand() *cobra.Command {
	var format cli.Format
	var deep deepCheck
	c := &cobra.Command{
		Use:   "doctor [STORE_PATH]",
		Short: "Check this host, and say the remedy for each finding",
		Long: `doctor checks the configuration, the store, whether this host may write its report there,
who is notified (no message is sent), the keys, Nix, systemd, Caddy, the secrets files, the
clock and the disk. With a store path it says which paths of that closure the
cache has, and who signed them. It ends with 3 when anything is not in order.

With --deep it also reads all files of the closures that are wanted or serve here, and
compares them with what was registered, as the daemon does once a day (verify.every);
--repair fetches again what was altered. What runs keeps what it had loaded until it is
restarted.`,
		Example: "  deployerctl doctor\n  deployerctl doctor --deep --repair\n  deployerctl doctor /nix/store/…-web-1.2",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if deep.repair && !deep.wanted || deep.wanted && len(args) == 1 {
				return cli.Usagef("--deep is for the host and not for a store path, and --repair goes with it")
			}
			if len(args) == 1 {
				return a.examineClosure(c, format, args[0])
			}
			findings := a.examine(c.Context(), deep)
			if err := cli.Print(c.OutOrStdout(), format, findings, func(w io.Writer) error { return printFindings(w, findings) }); err != nil {
				return err
			}
			for _, f := range findings {
				if !f.OK {
					return cli.Exit(cli.ExitFailed, nil)
				}
			}
			return nil
		},
	}
	cli.FormatFlag(c, &format, cli.Table)
	c.Flags().BoolVar(&deep.wanted, "deep", false, "also compare the content of store paths with what was registered")
	c.Flags().BoolVar(&deep.repair, "repair", false, "with --deep: fetch again what was altered")
	return c
}

// examine makes every check; one that fails keeps no other from being made.
func (a *app) examine(ctx context.Context, deep deepCheck) []finding {
	findings := []finding{checkRoot(), a.checkDaemon(ctx)}
	config, err := hostconfig.Load(a.config)
	if err != nil {
		return append(findings, finding{Check: "configuration", Message: err.Error(), Remedy: "mend " + a.config})
	}
	findings = append(findings, finding{Check: "configuration", OK: true, Message: a.config})
	h, err := host.Open(ctx, config, host.Options{})
	if err != nil {
		return append(findings, finding{Check: "configuration", Message: err.Error(), Remedy: "mend " + a.config})
	}
	defer h.Close()
	d := &doctor{Handle: h}
	for _, check := range []func(context.Context) []finding{
		d.store, d.report, d.notify, d.keys, d.clock, d.nix, d.systemd, d.caddy, d.secrets, d.disk,
	} {
		findings = append(findings, check(ctx)...)
	}
	if deep.wanted {
		findings = append(findings, d.content(ctx, a.lastState(ctx, d), deep)...)
	}
	return findings
}

func printFindings(w io.Writer, findings []finding) error {
	good, bad := "ok", "NO"
	if cli.Colourful(w) {
		good, bad = "\033[32mok\033[0m", "\033[31mNO\033[0m"
	}
	wrong := 0
	for _, f := range findings {
		if f.OK {
			fmt.Fprintf(w, "%s  %-14s %s\n", good, f.Check, f.Message)
			continue
		}
		wrong++
		fmt.Fprintf(w, "%s  %-14s %s\n", bad, f.Check, f.Message)
		if f.Remedy != "" {
			fmt.Fprintf(w, "    %-14s → %s\n", "", f.Remedy)
		}
	}
	if wrong == 0 {
		fmt.Fprintln(w, "all is in order")
		return nil
	}
	fmt.Fprintf(w, "%d of %d checks want something done\n", wrong, len(findings))
	return nil
}

// examineClosure says what the cache has of a closure.
func (a *app) examineClosure(c *cobra.Command, format cli.Format, storePath string) error {
	if err := nix.CheckPath(storePath); err != nil {
		return cli.Exit(cli.ExitUsage, err)
	}
	config, err := hostconfig.Load(a.config)
	if err != nil {
		return cli.Exit(cli.ExitUsage, err)
	}
	h, err := host.Open(c.Context(), config, host.Options{})
	if err != nil {
		return err
	}
	defer h.Close()
	paths, walkErr := h.Cache.Closure(c.Context(), storePath)
	if len(paths) == 0 && walkErr != nil {
		return walkErr
	}
	err = cli.Print(c.OutOrStdout(), format, paths, func(w io.Writer) error { return printClosure(w, paths) })
	for _, p := range paths {
		if !p.Found || !p.Trusted() {
			return errors.Join(err, cli.Exit(cli.ExitFailed, errors.New("this host cannot pull that closure: "+
				"push it with `deploy-push SERVICE "+storePath+"`, signed with a key that trustedPublicKeys names")))
		}
	}
	return errors.Join(err, walkErr)
}
