// Command deploy-manifest reads and edits the manifest in the store: what runs on which
// host. Every write is archived, and hosts see it within seconds.
package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/objectstore"
)

func main() { cli.Main(newApp().command()) }

// app is what all commands share.
type app struct {
	store string
	now   func() time.Time
	// who is user@host of the writer.
	who func() string
}

func newApp() *app { return &app{now: time.Now, who: cli.Who} }

func (a *app) command() *cobra.Command {
	c := &cobra.Command{
		Use:   "deploy-manifest",
		Short: "See and change what runs on which host",
		Long: `deploy-manifest reads and edits the manifest in the store: the services, the hosts they
run on, and how they are reached. Each host's daemon looks at it every 2 to 15 seconds and
makes the host agree with it.

Every write is a new generation, and the one before is archived: "history" says who changed
what and why, and "rollback" brings an older one back. Two people may write at the same
moment, and neither loses an edit.

The store is the one that --store, DEPLOYER_STORE, "store" in ~/.config/deployer/config.yaml
or in /etc/biz-deployer/config.yaml names, in that order:
s3://bucket?endpoint=…&profile=…, or file:///dir.`,
		Example: `  deploy-manifest init
  deploy-manifest show
  deploy-manifest add-service -f web.yaml
  deploy-manifest update web /nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-web-1.2
  deploy-manifest edit web
  deploy-manifest hold web --reason "load test" --for 1h
  deploy-manifest status
  deploy-manifest history
  deploy-manifest rollback --service web`,
	}
	c.PersistentFlags().StringVar(&a.store, "store", "", "the store's URL")
	c.AddCommand(
		a.initCommand(), a.showCommand(), a.listCommand(), a.historyCommand(), a.statusCommand(), a.diffCommand(), a.validateCommand(),
		a.addServiceCommand(), a.updateCommand(), a.setCommand(), a.removeServiceCommand(),
		a.holdCommand(), a.unholdCommand(), a.retryCommand(),
		a.applyCommand(), a.editCommand(), a.rollbackCommand(), a.cacheCommand(), keygenCommand(), schemaCommand(),
	)
	return c
}

// repository opens the store and the manifest in it. It asks the store nothing yet.
func (a *app) repository(c *cobra.Command) (*manifest.Repository, error) {
	objects, location, err := cli.OpenStore(c.Context(), a.store)
	if err != nil {
		return nil, err
	}
	return a.repositoryOf(c, objects, location), nil
}

func (a *app) repositoryOf(c *cobra.Command, objects providers.Objects, location objectstore.Location) *manifest.Repository {
	return manifest.NewRepository(manifest.Options{
		Objects: objects, StoreName: location.String(), Now: a.now,
		Conditional: func(ctx context.Context) (bool, error) { return objectstore.ProbeConditional(ctx, objects) },
		Warn:        func(m string) { c.PrintErrln("warning: " + m) },
	})
}
