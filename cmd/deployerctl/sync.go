package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
)

func (a *app) syncCommand() *cobra.Command {
	var wait bool
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "sync",
		Short: "Look at the manifest now",
		Long: `sync makes the daemon look at the manifest in the store and at every service at once,
instead of within the next seconds. With --wait it ends when every service is as wanted
(0), or one has failed (3), or the time is up (5).`,
		Example: "  deployerctl sync\n  deployerctl sync --wait",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			answer, err := a.client.Sync(c.Context())
			if err != nil {
				return err
			}
			if answer.Problem != "" {
				return fmt.Errorf("the manifest in the store is not in force (generation %d is): %s", answer.Generation, answer.Problem)
			}
			fmt.Fprintf(c.OutOrStdout(), "generation %d is in force\n", answer.Generation)
			if !wait {
				return nil
			}
			return a.waitSettled(c.Context(), c.OutOrStdout(), waiting{timeout: timeout})
		},
	}
	c.Flags().BoolVar(&wait, "wait", false, "wait until every service is as wanted or has failed")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long --wait waits")
	return c
}

// waiting says for what: one service, or all when it is empty.
type waiting struct {
	service string
	timeout time.Duration
}

// failure is how the wait for something that failed ends.
func (o waiting) failure() string {
	if o.service != "" {
		return o.service + " is not as wanted; `deployerctl why " + o.service + "` says why"
	}
	return "not everything is as wanted; `deployerctl status` says why"
}

// waitSettled tells each change of a service once, and ends with the worst state.
func (a *app) waitSettled(ctx context.Context, w io.Writer, o waiting) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	told := map[string]string{}
	began := time.Now()
	for {
		select {
		case <-ctx.Done():
			return cli.Exit(cli.ExitDifferent, errors.New("not everything is settled yet; `deployerctl status` shows what is going on"))
		case <-time.After(300 * time.Millisecond):
		}
		state, err := a.client.Status(ctx)
		if err != nil {
			return err
		}
		code := cli.ExitOK
		for _, s := range state.Services {
			if o.service != "" && s.Name != o.service {
				continue
			}
			tellChange(w, told, s)
			code = worse(code, waitCode(s))
		}
		if code == cli.ExitDifferent || code != cli.ExitOK && time.Since(began) < firstPasses {
			continue
		}
		if code == cli.ExitOK && a.nothingLeft(ctx, o.service) {
			return nil
		}
		if code == cli.ExitOK {
			continue
		}
		return cli.Exit(code, errors.New(o.failure()))
	}
}

// firstPasses is how long the passes that a sync asked for may take to begin: what failed
// before it may be mended by then.
const firstPasses = 2 * time.Second

// nothingLeft makes sure: the status may be older than the manifest, while a service waits
// for its turn; a plan is looked up on the host itself.
func (a *app) nothingLeft(ctx context.Context, service string) bool {
	answer, err := a.client.Plan(ctx, service)
	return err == nil && answer.Problem == "" && !anyStep(answer.Plans)
}

// waitCode takes a service that nothing is going to change for an answer: one that the
// manifest does not mention is no reason to wait.
func waitCode(s v1.ServiceState) int {
	switch s.State {
	case v1.Unlisted:
		return cli.ExitOK
	case v1.Reverting:
		return cli.ExitDifferent // how that ends is not known yet
	}
	return serviceCode(s)
}

func tellChange(w io.Writer, told map[string]string, s v1.ServiceState) {
	line := fmt.Sprintf("%s: %s, %s", s.Name, s.State, s.Health)
	if s.State != v1.Settled || s.Health != v1.Healthy || s.Sync != v1.Synced {
		line += ": " + s.Reason
	}
	if told[s.Name] != line {
		told[s.Name] = line
		fmt.Fprintln(w, line)
	}
}
