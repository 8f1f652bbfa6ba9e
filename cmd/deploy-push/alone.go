package main

import (
	"slices"
	"strings"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/providers/builder"
	"deployer/providers/nix"
)

// alone finds the subject of a single argument: a service whose recipe push.yaml has, or
// a target that it maps to one.
func (c chooser) alone(what string) (subject, error) {
	if c.config == nil {
		return subject{}, c.noConfig(what)
	}
	names := c.config.Of(what)
	if below := c.config.Relative(what, c.dir); below != what {
		names = append(names, c.config.Of(below)...)
	}
	if _, named := c.config.Services[what]; named && !slices.Contains(names, what) {
		names = append(names, what)
	}
	switch len(names) {
	case 0:
		return subject{}, c.unknown(what)
	case 1:
		return c.recipe(names[0])
	}
	return subject{}, cli.Usagef("%s says that %s is for %s: say which, as in `deploy-push %s`", c.config.Path, what, strings.Join(names, " and "), names[0])
}

func (c chooser) recipe(service string) (subject, error) {
	r := c.config.Services[service]
	s := subject{service: service}
	switch {
	case r.Target != "":
		s.build = new(builder.Target(c.config.Build, r.Target, c.config.Dir()))
	case r.Flake != "":
		s.build = new(builder.Flake(r.Flake, c.config.Dir()))
	default:
		s.build = new(builder.File(r.File, r.Attribute, c.config.Dir()))
	}
	return s, nil
}

func (c chooser) noConfig(what string) error {
	if nix.CheckPath(what) == nil {
		return cli.Usagef("say which service it is for: `deploy-push SERVICE %s`", what)
	}
	return cli.Usagef("say what to push, as in `deploy-push %s STORE_PATH`; there is no push.yaml here or above that says it (`deploy-push --help` shows one)", what)
}

func (c chooser) unknown(what string) error {
	if nix.CheckPath(what) == nil {
		return c.noConfig(what)
	}
	near := ""
	if n := v1.Nearest(what, c.config.Known()); n != "" {
		near = "did you mean " + n + "? Else "
	}
	return cli.Usagef("%s names no service or target %s; %sadd it to services there, or say `deploy-push SERVICE WHAT`", c.config.Path, what, near)
}
