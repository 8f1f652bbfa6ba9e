package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/manifest"
)

func (a *app) updateCommand() *cobra.Command {
	var w write
	var commit string
	c := &cobra.Command{
		Use:   "update SERVICE STORE_PATH",
		Short: "Name the store path that a service is to run",
		Long: `update names the release of a service. The closure must be in the cache, signed with a key
that the hosts trust: deploy-push uploads it and does this in one go.`,
		Example: `  deploy-manifest update web /nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-web-1.2
  deploy-manifest update web /nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-web-1.2 --commit "$(git rev-parse HEAD)" -m "fix the login"`,
		Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error {
			return a.editService(c, w, args[0], func(s *v1.Service) error {
				manifest.SetRelease(s, args[1], commit)
				return nil
			})
		},
	}
	c.Flags().StringVar(&commit, "commit", "", "the VCS revision it was built from, for people")
	w.flags(c)
	return c
}

func (a *app) setCommand() *cobra.Command {
	var w write
	c := &cobra.Command{
		Use:   "set SERVICE FIELD=VALUE…",
		Short: "Change fields of a service",
		Long: `set changes fields of one service, all of them or none. FIELD is the path as show prints it,
with dots; VALUE is text, "a,b" or JSON for a list, JSON for a block. FIELD= clears a field.`,
		Example: `  deploy-manifest set web http.domain=www.example.org env.AREA=Test
  deploy-manifest set web hosts=biz,second
  deploy-manifest set web health.path=/healthz health.deadline=2m
  deploy-manifest set web env.DEBUG=                       # clears it
  deploy-manifest set web 'exec.args=["--title","My site"]'`,
		Args: cobra.MinimumNArgs(2), ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error {
			return a.editService(c, w, args[0], func(s *v1.Service) error {
				if err := v1.SetFields(s, args[1:]); err != nil {
					return cli.Exit(cli.ExitUsage, err)
				}
				return nil
			})
		},
	}
	w.flags(c)
	return c
}

// editService changes one service, which must be there and stay valid.
func (a *app) editService(c *cobra.Command, w write, name string, change func(*v1.Service) error) error {
	_, err := a.edit(c, w, func(m *v1.Manifest) error {
		s, err := manifest.Find(m, name)
		if err != nil {
			return usage(err)
		}
		if err := change(s); err != nil {
			return err
		}
		// Here, and not only with the whole manifest: the paths are then those that were typed.
		if list := s.Validate(nil); len(list) > 0 {
			return v1.ErrorList(list)
		}
		return nil
	})
	return err
}

func (a *app) removeServiceCommand() *cobra.Command {
	var w write
	c := &cobra.Command{
		Use:   "remove-service SERVICE",
		Short: "Take a service down on all hosts",
		Long: `remove-service takes a service out of the manifest and lists it in "removed": hosts that run
it stop it and delete its unit, route, releases and roots. Its secrets file and state
directory stay. A service with "protect" must lose that first.

It also takes a name that the manifest does not list: that is how a host gets rid of a
service that somebody deleted by another way.`,
		Example: `  deploy-manifest remove-service web
  deploy-manifest remove-service web --dry-run`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error { return a.removeService(c, w, args[0]) },
	}
	w.flags(c)
	return c
}

func (a *app) removeService(c *cobra.Command, w write, name string) error {
	unlisted := false
	edited, err := a.edit(c, w, func(m *v1.Manifest) error {
		unlisted = m.Service(name) == nil
		return manifest.Remove(m, name, a.who())
	})
	if err == nil && edited != nil && unlisted {
		fmt.Fprintf(c.OutOrStdout(), "note: the manifest did not list %s; a host that still runs it takes it down now\n", name)
	}
	return err
}

func (a *app) addServiceCommand() *cobra.Command {
	var w write
	var file string
	c := &cobra.Command{
		Use:   "add-service JSON | -f FILE",
		Short: "Add a service",
		Long: `add-service adds one service, given as JSON on the command line, or as JSON or YAML in a
file ("-" is standard input). "deploy-manifest schema" describes every field. A store path
of /nix/store/placeholder, or none, means that there is no release yet.`,
		Example: `  deploy-manifest add-service '{"name":"web","hosts":["biz"],"env":{"PORT":"8080"},
    "http":{"domain":"www.example.com","internalPort":8080}}'
  deploy-manifest add-service -f web.yaml
  deploy-manifest show web -o yaml | sed s/web/web2/ | deploy-manifest add-service -f -`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			data, err := input(c, args, file)
			if err != nil {
				return err
			}
			return a.addService(c, w, data)
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "the file with the service (-: standard input)")
	w.flags(c)
	return c
}

// input is the argument or the file, exactly one of them.
func input(c *cobra.Command, args []string, file string) ([]byte, error) {
	switch {
	case len(args) == 0 && file == "":
		return nil, cli.Usagef("say the service as JSON, or name a file with -f; `%s --help` shows how", c.CommandPath())
	case len(args) > 0 && file != "":
		return nil, cli.Usagef("there is a service on the command line and one in %s; say one of them", file)
	case len(args) > 0:
		return []byte(args[0]), nil
	}
	return cli.ReadInput(file, c.InOrStdin())
}

func (a *app) addService(c *cobra.Command, w write, data []byte) error {
	s, err := v1.DecodeService(data)
	if err != nil {
		return cli.Usagef("the service is not valid: %w", err)
	}
	edited, err := a.edit(c, w, func(m *v1.Manifest) error {
		if m.Service(s.Name) != nil {
			return cli.Usagef("there is a service %s already: change it with `deploy-manifest set %s FIELD=VALUE`, "+
				"`deploy-manifest update %s STORE_PATH` or `deploy-manifest apply -f FILE`", s.Name, s.Name, s.Name)
		}
		manifest.Put(m, *s)
		return nil
	})
	if err == nil && unitOfEveryHost(s.Name) {
		c.PrintErrf("warning: %s.service is a unit of the hosts themselves: hosts refuse a service whose unit is not theirs: NameTaken\n", s.Name)
	}
	if err == nil && edited != nil {
		nextSteps(c.OutOrStdout(), *s)
	}
	return err
}

// unitOfEveryHost: a unit of that name is on every host, or on almost every one.
func unitOfEveryHost(name string) bool {
	own := []string{
		"biz-deployer", "caddy", "cron", "dbus", "dbus-broker", "emergency", "getty", "nix-daemon", "polkit", "rescue", "ssh", "sshd",
	}
	return strings.HasPrefix(name, "systemd-") || slices.Contains(own, name)
}

// nextSteps says how releases of the new service are changed, and what is left to do on hosts.
func nextSteps(w io.Writer, s v1.Service) {
	strategy, reason := s.StrategyReason()
	fmt.Fprintf(w, "strategy: %s, for %s\n", strategy, reason)
	if s.EnvFile != "" {
		fmt.Fprintf(w, "next, on %s: write the secrets into %s (owner root, mode 0600)\n", strings.Join(s.Hosts, " and "), s.EnvFile)
	}
}
