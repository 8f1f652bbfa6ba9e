// Command deployerctl talks to the daemon of this host.
package main

import (
	"time"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/control"
	"deployer/cmd/internal/hostconfig"
	"deployer/providers"
	"deployer/providers/statefile"
)

func main() { cli.Main(newApp().command()) }

// app is what all commands share.
type app struct {
	config string
	socket string
	client *control.Client
	// paths are where the daemon keeps its files.
	paths func() providers.Paths
	now   func() time.Time
	// who is user@host of the person.
	who func() string
}

func newApp() *app {
	a := &app{now: time.Now, who: cli.Who}
	a.paths = a.configured
	return a
}

// configured are the paths of the configuration, or the usual ones when it cannot be read.
func (a *app) configured() providers.Paths {
	config, err := hostconfig.Load(a.config)
	if err != nil {
		return hostconfig.Default().Paths()
	}
	return config.Paths()
}

func (a *app) command() *cobra.Command {
	c := &cobra.Command{
		Use:   "deployerctl",
		Short: "See and steer what Deployer does on this host",
		Long: `deployerctl talks to biz-deployer, the daemon of this host. What runs here is decided
by the manifest in the store (deploy-manifest); deployerctl shows how far this host has
come, and makes it look at once.`,
		Example: `  deployerctl status             # all services
  deployerctl status web         # one, with everything known about it
  deployerctl why web            # why it is so, in two lines and in full
  deployerctl history web        # what was deployed, by whom, and how it went
  deployerctl retry web          # try a release again that was judged bad
  deployerctl hold web --reason "load test" --for 1h
  deployerctl sync --wait        # look at the manifest now, and wait until it is in force
  deployerctl plan               # what the next pass would do, and why
  deployerctl logs web -f        # the journal of a service
  deployerctl doctor             # what is wrong with this host, and the remedy`,
		PersistentPreRun: func(*cobra.Command, []string) { a.client = control.NewClient(a.socket) },
	}
	c.PersistentFlags().StringVar(&a.config, "config", hostconfig.Path, "the daemon's configuration file")
	c.PersistentFlags().StringVar(&a.socket, "socket", control.Socket, "the daemon's control socket")
	c.AddCommand(
		a.statusCommand(), a.syncCommand(), a.planCommand(), a.logsCommand(),
		a.whyCommand(), a.historyCommand(), a.retryCommand(), a.holdCommand(), a.unholdCommand(),
		a.adoptCommand(), a.doctorCommand(), a.installCommand(), versionCommand(),
	)
	return c
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) { c.Println("deployerctl " + cli.Version) },
	}
}

// completeServices offers the names that the daemon knows, or knew last.
func (a *app) completeServices(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	state, err := control.NewClient(a.socket).Status(c.Context())
	if unanswered(err) {
		state, err = statefile.NewReader(a.paths()).LoadState(c.Context())
	}
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, s := range state.Services {
		names = append(names, s.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
