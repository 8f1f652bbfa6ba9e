// Command deploy-push takes a release to the hosts: it builds it, signs and uploads its
// closure, reads that back, and then names it in the manifest.
package main

import (
	"github.com/spf13/cobra"

	"deployer/cmd/internal/await"
	"deployer/cmd/internal/cli"
)

func main() { cli.Main(command()) }

// options are the flags.
type options struct {
	store, key, commit, message string
	as                          kind
	attribute                   string
	dryRun, verbose             bool
	despiteHold                 bool
	format                      cli.Format
	// saysCommit: --commit stands in the command, if only as --commit "".
	saysCommit bool
	wait       await.Flags
}

func command() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:     "deploy-push SERVICE [WHAT] | TARGET",
		Short:   "Build a release, upload its closure, and deploy it",
		Long:    help,
		Example: examples,
		Args:    cobra.RangeArgs(1, 2), ValidArgsFunction: complete,
		RunE: func(c *cobra.Command, args []string) error {
			o.saysCommit = c.Flags().Changed("commit")
			return o.run(c, args)
		},
	}
	f := c.Flags()
	f.StringVar(&o.store, "store", "", "the store's URL")
	f.StringVar(&o.key, "key", "", "the file with the secret Nix key")
	f.StringVar(&o.commit, "commit", "", "the VCS revision it was built from, for people (default: git's HEAD where WHAT is built)")
	f.StringVarP(&o.message, "message", "m", "", "why, for people")
	f.StringVarP(&o.attribute, "attribute", "A", "", "the attribute of the Nix file to build, as for nix-build")
	f.Var(&o.as, "as", "what WHAT is when it could be two things: path, flake, file or target")
	f.BoolVar(&o.dryRun, "dry-run", false, "build, print what would be uploaded and changed, and do neither")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show all that the builder prints")
	f.BoolVar(&o.despiteHold, "despite-hold", false, "push although the service is held; hosts start the release when the hold ends")
	o.wait.Add(c, "wait until every host has a verdict; on a terminal --wait=false does not")
	cli.FormatFlag(c, &o.format, cli.Table)
	return c
}

const help = `deploy-push builds a release, signs its closure with your Nix key, uploads what the cache in
the store lacks, reads every narinfo back, and only then writes the path into the manifest.
Hosts pick it up within seconds.

With --wait, which goes without saying on a terminal, it shows what every host of the
service makes of it: "live" when requests go to the new release, "settled" when it has
soaked. It ends with 0 when it settled everywhere, 3 when it failed or was rolled back on a
host, with the reason and the last log lines, 4 when a host says nothing, and 5 when the
time is up. The hosts go on without anybody waiting; "deploy-manifest status" tells more.

When it fails or is interrupted before the last step, the manifest is as it was, and
running it again sends only what is missing.

WHAT is one of
  a store path                       /nix/store/…-web, built already
  a flake installable                .#web, github:acme/web#server
  a Nix file, with its attribute     ./default.nix -A web
  a target of the project's builder  Biz/PodcastItLater/Web.py

The last one, and what is built when WHAT is left out, stands in a file push.yaml in the
working directory or above it:

` + sample + `
With it, "deploy-push api" builds the flake, and "deploy-push Biz/PodcastItLater/Web.py"
finds its service by itself.

The key is the one that --key, DEPLOYER_SIGNING_KEY or "signingKey" in
~/.config/deployer/config.yaml names, else the only *.secret in ~/.config/deployer.`

// sample is a push.yaml, for the help.
const sample = `  # {target} is what is to be built. The builder runs beside this file; the last line of
  # its standard output that is a store path is the result.
  build: ["bild", "{target}"]
  services:
    podcastitlater-web: {target: Biz/PodcastItLater/Web.py}
    api: {flake: .#api}
    worker: {file: ./default.nix, attribute: worker}
`

const examples = `  deploy-push web /nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-web-1.2
  deploy-push web .#web -m "fix the login"
  deploy-push web ./default.nix -A web --dry-run
  deploy-push Biz/PodcastItLater/Web.py
  deploy-push web`
