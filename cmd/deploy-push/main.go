// Command deploy-push takes a closure of this machine to the hosts: it signs and uploads
// it, reads it back, and then names it in the manifest.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
	"deployer/controllers/push"
	"deployer/providers/nix"
	"deployer/providers/objectstore"
)

func main() { cli.Main(command()) }

type options struct {
	store, key, commit, message string
}

func command() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "deploy-push SERVICE STORE_PATH",
		Short: "Sign and upload a closure, and deploy it",
		Long: `deploy-push signs the closure of a store path with your Nix key, uploads what the cache in
the store lacks, reads every narinfo back, and only then writes the path into the
manifest. Hosts pick it up within seconds; "deployerctl status" there shows how far it is.

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
	line := func(line string) { fmt.Fprintln(out, line) }
	careful := &careful{Publisher: publisher, objects: objects, service: service, line: line}
	defer careful.done(ctx)
	u := &updater{out: out, careful: careful, options: o, repository: manifest.NewRepository(manifest.Options{
		Objects: objects, StoreName: location.String(),
		Conditional: func(ctx context.Context) (bool, error) { return objectstore.ProbeConditional(ctx, objects) },
		Warn:        func(m string) { fmt.Fprintln(out, "warning:", m) },
	})}
	_, err = push.Push(ctx, push.Options{
		Service: service, StorePath: storePath, Publisher: careful, Check: u.check, Update: u.update, Progress: line,
	})
	return err
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
	careful    *careful
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
		if err := cmp.Or(err, u.careful.valid()); err != nil {
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
