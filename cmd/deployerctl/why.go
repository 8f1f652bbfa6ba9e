package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/control"
	"deployer/controllers/tell"
	"deployer/providers/releases"
	"deployer/providers/statefile"
)

// told is what `why` gives to programs: the words, and what they were made from.
type told struct {
	tell.Account
	Facts tell.Facts `json:"facts"`
}

func (a *app) whyCommand() *cobra.Command {
	var format cli.Format
	c := &cobra.Command{
		Use:   "why SERVICE",
		Short: "Tell why a service is as it is, from the manifest to what to do now",
		Long: `why answers in its first two lines: what the matter is and why; who serves meanwhile, and
what to do. Below them it tells the whole chain: who wanted what, what changed, what was
tried and when, what was seen (exit status, probe, last log lines), and what was decided.

It works without a daemon, too. It ends with 0 when it could tell, however bad that is
("deployerctl status web" ends with 3 then), and with 4 when nothing is known.`,
		Example: "  deployerctl why web\n  deployerctl why web | head -2\n  deployerctl why web -o json | jq -r .reason",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			facts, err := a.facts(c.Context(), args[0])
			if err != nil {
				return err
			}
			account, known := tell.Why(facts, a.now())
			if !known {
				return cli.Exit(cli.ExitUnknown, fmt.Errorf("nothing is known of a service %s on %s: `deployerctl status` lists what is here, `deploy-manifest show %s` says on which hosts it belongs",
					args[0], or(facts.Host, "this host"), args[0]))
			}
			return cli.Print(c.OutOrStdout(), format, told{account, facts}, func(w io.Writer) error {
				_, err := io.WriteString(w, account.Text())
				return err
			})
		},
	}
	cli.FormatFlag(c, &format, cli.Table)
	return c
}

// facts asks the daemon, and gathers from its files when there is none to ask.
func (a *app) facts(ctx context.Context, service string) (tell.Facts, error) {
	facts, err := a.client.Why(ctx, service)
	if !unanswered(err) {
		return facts, err
	}
	r := statefile.NewReader(a.paths())
	host, loadErr := r.LoadState(ctx)
	if loadErr != nil {
		return tell.Facts{}, cli.Exit(cli.ExitUnknown, err)
	}
	f := a.factsOnDisk(ctx, r, host, service)
	f.Down = errors.Is(err, control.ErrNotRunning)
	return f, nil
}

// factsOnDisk leaves out what cannot be read, and says so of what anybody may read.
func (a *app) factsOnDisk(ctx context.Context, r *statefile.Reader, host v1.HostState, service string) tell.Facts {
	f := tell.Facts{Service: service, Host: host.Host, WrittenAt: host.UpdatedAt, Manifest: tell.HeadOf(host, lastManifest(ctx, r), service)}
	if i := slices.IndexFunc(host.Services, func(s v1.ServiceState) bool { return s.Name == service }); i >= 0 {
		f.State = &host.Services[i]
	}
	var errs [4]error
	var holds map[string]v1.Hold
	holds, errs[0] = r.Holds(ctx)
	if h, ok := holds[service]; ok && h.InForce(a.now()) {
		f.HostHold = &h
	}
	f.Deployments, errs[1] = r.Deployments(ctx, service)
	f.Events, errs[2] = r.Events(ctx, service)
	if os.Geteuid() == 0 {
		facts, err := releases.New(releases.Options{Paths: a.paths()}).Observe(ctx, service)
		f.Verdicts, errs[3] = tell.Verdicts(facts.Staged), err
	}
	for _, err := range errs {
		if err != nil {
			f.Missing = append(f.Missing, err.Error())
		}
	}
	return f
}

// lastManifest is nil for all but root: it may hold env values.
func lastManifest(ctx context.Context, r *statefile.Reader) *v1.Manifest {
	data, err := r.LoadManifest(ctx)
	if err != nil {
		return nil
	}
	m, err := v1.Decode(data)
	if err != nil {
		return nil
	}
	return m
}

// unanswered: there is no daemon, or it is not ours to ask. Then what it wrote has to do.
func unanswered(err error) bool {
	return errors.Is(err, control.ErrNotRunning) || errors.Is(err, os.ErrPermission)
}
