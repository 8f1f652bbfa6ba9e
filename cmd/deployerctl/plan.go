package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/control"
	"deployer/cmd/internal/host"
	"deployer/cmd/internal/hostconfig"
	"deployer/controllers"
	"deployer/controllers/service"
)

func (a *app) planCommand() *cobra.Command {
	var format cli.Format
	var exitCode bool
	c := &cobra.Command{
		Use:   "plan [SERVICE]",
		Short: "Say what the next pass would do, and why",
		Long: `plan observes this host and says, step by step, what a pass would do to make it agree with
the manifest. It changes nothing. With the daemon down it makes the observation itself.`,
		Example: "  deployerctl plan\n  deployerctl plan web\n  deployerctl plan --exit-code   # 5 when there is anything to do",
		Args:    cobra.MaximumNArgs(1), ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, args []string) error {
			only := ""
			if len(args) > 0 {
				only = args[0]
			}
			answer, err := a.client.Plan(c.Context(), only)
			if errors.Is(err, control.ErrNotRunning) {
				fmt.Fprintln(c.ErrOrStderr(), "the daemon does not run: looking at the host without it")
				answer, err = a.planWithoutDaemon(c.Context(), only)
			}
			if err != nil {
				return err
			}
			if only != "" && len(answer.Plans) == 0 && answer.Problem == "" {
				return cli.Exit(cli.ExitUnknown, fmt.Errorf("no service %s is known on this host; `deployerctl status` lists them", only))
			}
			if answer.Plans == nil {
				answer.Plans = []service.Plan{} // [] for programs, never null
			}
			if err := cli.Print(c.OutOrStdout(), format, answer.Plans, func(w io.Writer) error { return printPlans(w, answer.Plans) }); err != nil {
				return err
			}
			if answer.Problem != "" {
				return cli.Exit(cli.ExitUnknown, fmt.Errorf("not everything could be observed: %s", answer.Problem))
			}
			if exitCode && anyStep(answer.Plans) {
				return cli.Exit(cli.ExitDifferent, nil)
			}
			return nil
		},
	}
	cli.FormatFlag(c, &format, cli.Table)
	c.Flags().BoolVar(&exitCode, "exit-code", false, "end with 5 when there is anything to do")
	return c
}

// planWithoutDaemon is a pass that only observes.
func (a *app) planWithoutDaemon(ctx context.Context, only string) (control.PlanAnswer, error) {
	config, err := hostconfig.Load(a.config)
	if err != nil {
		return control.PlanAnswer{}, cli.Exit(cli.ExitUsage, err)
	}
	h, err := host.Open(ctx, config, host.Options{})
	if err != nil {
		return control.PlanAnswer{}, err
	}
	defer h.Close()
	set := controllers.New(controllers.Options{Host: h.Host, HostName: h.Name, Repository: h.Repository, Objects: h.Objects, Version: cli.Version})
	if err := set.Load(ctx); err != nil {
		return control.PlanAnswer{}, err
	}
	_, lookErr := set.Source.Sync(ctx)
	plans, planErr := set.Plan(ctx, only)
	answer := control.PlanAnswer{Plans: plans}
	if err := errors.Join(lookErr, planErr); err != nil {
		answer.Problem = err.Error()
	}
	return answer, nil
}

func anyStep(plans []service.Plan) bool {
	for _, p := range plans {
		if len(p.Steps) > 0 {
			return true
		}
	}
	return false
}

func printPlans(w io.Writer, plans []service.Plan) error {
	if len(plans) == 0 {
		fmt.Fprintln(w, "no services, and nothing to do")
	}
	for _, p := range plans {
		fmt.Fprintf(w, "%s (%s)\n", p.Service, p.State)
		if p.Desired != nil {
			fmt.Fprintf(w, "  wanted   %s\n", target(*p.Desired))
		}
		if p.Serving != nil {
			fmt.Fprintf(w, "  serving  %s\n", target(*p.Serving))
		}
		if text := strategy(p.Strategy, p.StrategyReason); text != "" {
			fmt.Fprintf(w, "  strategy %s\n", text)
		}
		if p.Blocked != "" {
			fmt.Fprintf(w, "  blocked  %s\n", p.Blocked)
		}
		if len(p.Steps) == 0 {
			fmt.Fprintln(w, "  nothing to do")
		}
		for i, step := range p.Steps {
			fmt.Fprintf(w, "  %2d. %-9s %s\n", i+1, step.Step, step.Why)
		}
	}
	return nil
}
