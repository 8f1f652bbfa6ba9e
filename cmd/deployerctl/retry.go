package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/controllers/tell"
)

func (a *app) retryCommand() *cobra.Command {
	var wait bool
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "retry SERVICE",
		Short: "Try a release again that was judged bad on this host",
		Long: `retry takes back the bad verdict on what the manifest wants of a service here, so that it is
tried again: for a release that failed because of something else, which is mended now. A
fix needs no retry: it is another release. What is not judged bad is tried again by itself.
For all hosts at once: deploy-manifest retry.

With --wait it ends when the service is as wanted (0), has failed again (3), or the time is
up (5).`,
		Example: "  deployerctl why web          # what was wrong with it\n  deployerctl retry web\n  deployerctl retry web --wait",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			answer, err := a.client.Retry(c.Context(), args[0], a.who())
			if err != nil {
				return coded(err)
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "%s: %s is tried again; it was judged bad %s (%s)\n", args[0], answer.Verdict.Instance,
				tell.Ago(answer.Verdict.At, a.now()), or(answer.Verdict.Reason, string(v1.VerdictBad)))
			if !wait {
				fmt.Fprintf(out, "`deployerctl status %s --watch` shows how it goes\n", args[0])
				return nil
			}
			return a.waitSettled(c.Context(), out, waiting{service: args[0], timeout: timeout})
		},
	}
	c.Flags().BoolVar(&wait, "wait", false, "wait until it is as wanted or has failed again")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long --wait waits")
	return c
}
