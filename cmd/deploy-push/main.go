// Command deploy-push takes a closure of this machine to the hosts: it signs and uploads
// it, reads it back, and then names it in the manifest.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/await"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
	"deployer/controllers/push"
	"deployer/providers/nix"
	"deployer/providers/objectstore"
)

func main() { cli.Main(command()) }

type options struct {
	store, key, commit, message string
	wait                        await.Flags
}

func command() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "deploy-push SERVICE STORE_PATH",
		Short: "Sign and upload a closure, and deploy it",
		Long: `deploy-push signs the closure of a store path with your Nix key, uploads what the cache in
the store lacks, reads every narinfo back, and only then writes the path into the
manifest. Hosts pick it up within seconds.

With --wait, which goes without saying on a terminal, it shows what every host of the
service makes of it: "live" when requests go to the new release, "settled" when it has
soaked. It ends with 0 when it settled everywhere, 3 when it failed or was rolled back on a
host, with the reason and the last log lines, 4 when a host says nothing, and 5 when the
time is up. The hosts go on without anybody waiting; "deploy-manifest status" tells more.

When it fails before the last step, the manifest is as it was, and running it again sends
only what is missing.

The key is the one that --key, DEPLOYER_SIGNING_KEY or "signingKey" in
~/.config/deployer/config.yaml names, else the only *.secret in ~/.config/deployer.`,
		Example: `  deploy-push web /nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-web-1.2
  deploy-push web "$(nix-build -A web --no-out-link)" --commit "$(git rev-parse HEAD)"`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return o.push(c.Context(), c.OutOrStdout(), args[0], args[1])
		},
	}
	c.Flags().StringVar(&o.store, "store", "", "the store's URL")
	c.Flags().StringVar(&o.key, "key", "", "the file with the secret Nix key")
	c.Flags().StringVar(&o.commit, "commit", "", "the VCS revision it was built from, for people")
	c.Flags().StringVarP(&o.message, "message", "m", "", "why, for people")
	o.wait.Add(c, "wait until every host has a verdict; on a terminal --wait=false does not")
	return c
}

func (o options) push(ctx context.Context, out io.Writer, service, storePath string) error {
	if err := checkPath(storePath); err != nil {
		return err
	}
	objects, location, err := cli.OpenStore(ctx, o.store)
	if err != nil {
		return err
	}
	keyFile, err := cli.SigningKey(o.key)
	if err != nil {
		return err
	}
	publisher, err := nix.NewPublisher(nix.PublisherOptions{Objects: objects, KeyFile: keyFile})
	if err != nil {
		return err
	}
	u := &updater{out: out, options: o, repository: manifest.NewRepository(manifest.Options{
		Objects: objects, StoreName: location.String(),
		Conditional: func(ctx context.Context) (bool, error) { return objectstore.ProbeConditional(ctx, objects) },
		Warn:        func(m string) { fmt.Fprintln(out, "warning:", m) },
	})}
	_, err = push.Push(ctx, push.Options{
		Service: service, StorePath: storePath, Publisher: publisher, Check: u.check, Update: u.update,
		Progress: func(line string) { fmt.Fprintln(out, line) },
	})
	if err != nil || !o.wait.Wanted(out) {
		return err
	}
	return await.Wait(ctx, await.Options{Objects: objects, Repository: u.repository, Service: service, Out: out, Timeout: o.wait.Timeout()})
}

// checkPath comes before everything else: it needs neither store nor key. Links are not
// followed, because what the manifest is to say should stand in the command; but the error
// tells where one leads.
func checkPath(storePath string) error {
	err := nix.CheckPath(storePath)
	if err == nil {
		return nil
	}
	if target, linkErr := os.Readlink(storePath); linkErr == nil && nix.CheckPath(target) == nil {
		return cli.Usagef("%w; it is a link to %s", err, target)
	}
	return cli.Usagef("%w", err)
}

// updater is the manifest's side of a push.
type updater struct {
	options
	out        io.Writer
	repository *manifest.Repository
}

// check comes before the upload, so that nobody waits for an upload in vain.
func (u *updater) check(ctx context.Context, service string) error {
	s, err := u.repository.Read(ctx)
	if err != nil {
		return err
	}
	_, err = find(s.Manifest, service)
	return err
}

func find(m *v1.Manifest, service string) (*v1.Service, error) {
	s, err := manifest.Find(m, service)
	if err != nil {
		return nil, cli.Usagef("%w; `deploy-manifest add-service` adds one", err)
	}
	return s, nil
}

// update names the path in the manifest. A narHash that somebody demanded is renewed; one
// that nobody asked for is not added, for the signature says as much.
func (u *updater) update(ctx context.Context, r push.Release) error {
	edited, err := u.repository.Edit(ctx, manifest.EditOptions{By: cli.Who(), Message: u.message}, func(m *v1.Manifest) error {
		s, err := find(m, r.Service)
		if err != nil {
			return err
		}
		demanded := s.Artifact != nil && s.Artifact.NarHash != ""
		manifest.SetRelease(s, r.StorePath, u.commit)
		if demanded {
			s.Artifact.NarHash = r.NarHash
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !edited.Changed {
		fmt.Fprintf(u.out, "%s is this release already in generation %d: nothing was written\n", r.Service, edited.After.Generation)
		return nil
	}
	hosts := edited.After.Service(r.Service).Hosts
	fmt.Fprintf(u.out, "wrote generation %d to %s: %s is %s on %s\n", edited.After.Generation, u.repository.StoreName(), r.Service, r.StorePath, strings.Join(hosts, ", "))
	fmt.Fprintf(u.out, "generation %d is archived as %s\n", edited.Before.Generation, edited.Archive)
	return nil
}
