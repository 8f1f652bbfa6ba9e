package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/tell"
)

func (a *app) holdCommand() *cobra.Command {
	var w write
	var flags cli.HoldFlags
	c := &cobra.Command{
		Use:   "hold SERVICE --reason WHY",
		Short: "Leave a service on all its hosts as it is, for a while",
		Long: `hold pauses one service on every host: what differs from the manifest is reported and not
put right, and new releases wait. A rollout that is under way comes to a point where it can
rest first. What runs goes on running, and systemd still restarts it when it ends.

The hold ends by itself: after two hours unless you say otherwise. For one host alone:
deployerctl hold, on that host.`,
		Example: `  deploy-manifest hold web --reason "load test"                  # for 2 h
  deploy-manifest hold web --reason "the database moves" --for 30m
  deploy-manifest hold web --reason "the database moves" --until 18:30
  deploy-manifest hold web --reason "kept for the auditors" --forever`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error {
			h, err := flags.Hold(a.who(), a.now())
			if err != nil {
				return err
			}
			w.because("hold " + args[0] + ": " + h.Reason)
			return a.editService(c, w, args[0], func(s *v1.Service) error {
				s.Hold = &h
				return nil
			})
		},
	}
	flags.Add(c)
	w.flags(c)
	return c
}

func (a *app) unholdCommand() *cobra.Command {
	var w write
	c := &cobra.Command{
		Use:   "unhold SERVICE",
		Short: "End the hold of a service",
		Long: `unhold ends the hold that the manifest has on a service: hosts put right what differs, and
bring in what waited. A hold that was set on a host itself stays there: deployerctl unhold,
on that host.`,
		Example: "  deploy-manifest unhold web",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error {
			w.because("unhold " + args[0])
			return a.editService(c, w, args[0], func(s *v1.Service) error {
				s.Hold = nil
				return nil
			})
		},
	}
	w.flags(c)
	return c
}

func (a *app) retryCommand() *cobra.Command {
	var w write
	c := &cobra.Command{
		Use:   "retry SERVICE",
		Short: "Let all hosts try the same release once more",
		Long: `retry counts deploy.attempt up: the same release, as a new revision that no host has judged
yet. For a release that failed because of something else, which is mended now. Every host
of the service brings it in anew, also one where it runs well. For one host alone:
deployerctl retry, on that host.`,
		Example: `  deploy-manifest retry web
  deploy-manifest retry web -m "the database is back"`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error {
			w.because("retry " + args[0])
			return a.editService(c, w, args[0], func(s *v1.Service) error {
				if !s.HasRelease() {
					return cli.Usagef("%s has no release yet, so there is nothing to retry: `deploy-push %s STORE_PATH` pushes one", s.Name, s.Name)
				}
				s.Deploy.Attempt++
				return nil
			})
		},
	}
	w.flags(c)
	return c
}

// because is the message of who gives none.
func (w *write) because(message string) {
	if w.message == "" {
		w.message = message
	}
}

// holdEffects say what a change of nothing but the hold means; none for any other change.
func holdEffects(changes []v1.Change, after v1.Service, now time.Time) []string {
	other := func(c v1.Change) bool { return c.Field != "hold" && !strings.HasPrefix(c.Field, "hold.") }
	if slices.ContainsFunc(changes, other) {
		return nil
	}
	where := strings.Join(after.Hosts, ", ")
	if !after.Hold.InForce(now) {
		return []string{"is held no more on " + where + ": what differs is put right, and what waited is brought in"}
	}
	return []string{
		"is held on " + where + ", by " + tell.Hold(*after.Hold, now),
		"stays as it is there: what differs is reported and not put right, and releases wait",
	}
}

// afterHold is the end of a sentence about what hosts do only when the hold is over.
func afterHold(s v1.Service, now time.Time) string {
	switch {
	case !s.Hold.InForce(now):
		return ""
	case s.Hold.Forever:
		return fmt.Sprintf(", once the hold by %s is ended: `deploy-manifest unhold %s`", s.Hold.Owner, s.Name)
	}
	return fmt.Sprintf(", once the hold by %s is over: %s", s.Hold.Owner, tell.When(*s.Hold.Until, now))
}
