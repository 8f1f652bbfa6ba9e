package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/pushconfig"
	"deployer/providers/builder"
	"deployer/providers/nix"
)

// kind is what a WHAT can be.
type kind string

const (
	aPath   kind = "path"
	aFlake  kind = "flake"
	aFile   kind = "file"
	aTarget kind = "target"
)

// String makes kind a flag.
func (k *kind) String() string { return string(*k) }

// Type names the flag's kind in help.
func (*kind) Type() string { return "kind" }

// Set accepts the four kinds.
func (k *kind) Set(s string) error {
	switch kind(s) {
	case aPath, aFlake, aFile, aTarget:
		*k = kind(s)
		return nil
	}
	return fmt.Errorf("%q is not a kind; there are path, flake, file and target", s)
}

// subject is what is pushed: a service, and its store path or how that is built.
type subject struct {
	service string
	path    string
	// build is nil when there is a path.
	build *builder.Request
}

// chooser finds the subject in the arguments. It looks at files, and asks nobody anything:
// a mistake here costs no build and no upload.
type chooser struct {
	// dir is the working directory.
	dir string
	// config may be nil.
	config    *pushconfig.Config
	as        kind
	attribute string
}

func (c chooser) choose(args []string) (subject, error) {
	if len(args) == 1 && c.attribute == "" && c.as == "" {
		return c.alone(args[0])
	}
	if len(args) == 1 {
		args = append(args, "default.nix") // as for nix-build
	}
	service, what := args[0], args[1]
	if strings.HasPrefix(service, "/nix/store/") {
		return subject{}, cli.Usagef("%s stands where the service belongs: `deploy-push SERVICE %s`", service, service)
	}
	kind, err := c.kindOf(what)
	if err != nil {
		return subject{}, err
	}
	return c.subject(service, what, kind)
}

func (c chooser) subject(service, what string, k kind) (subject, error) {
	if c.attribute != "" && k != aFile {
		return subject{}, cli.Usagef("-A goes with a Nix file, and %s is a %s", what, k)
	}
	s := subject{service: service}
	switch k {
	case aPath:
		s.path = what
		return s, checkPath(what)
	case aFlake:
		s.build = new(builder.Flake(what, c.dir))
	case aFile:
		s.build = new(builder.File(what, c.attribute, c.dir))
	case aTarget:
		if c.config == nil || len(c.config.Build) == 0 {
			return subject{}, cli.Usagef("there is no builder for target %s: say `build: [\"bild\", \"%s\"]` in a push.yaml here or above",
				what, builder.Placeholder)
		}
		s.build = new(builder.Target(c.config.Build, c.target(what), c.config.Dir()))
	}
	return s, nil
}

// target is how push.yaml writes what a person wrote in a directory below its own.
func (c chooser) target(what string) string {
	if len(c.config.Of(what)) > 0 {
		return what
	}
	below := c.config.Relative(what, c.dir)
	if _, err := os.Lstat(filepath.Join(c.config.Dir(), below)); err != nil && len(c.config.Of(below)) == 0 {
		return what // no file: the builder's own kind of name
	}
	return below
}

// kindOf is what WHAT is. What push.yaml names is what it says there; else its form and the
// files here tell, and when they tell two things, the person has to.
func (c chooser) kindOf(what string) (kind, error) {
	switch {
	case c.as != "":
		return c.as, nil
	case c.attribute != "":
		return aFile, nil
	}
	if strings.HasPrefix(what, "/nix/store/") {
		return aPath, nil
	}
	if c.config != nil && c.isTarget(what) {
		return aTarget, nil
	}
	var can []kind
	if isFlake(what) || what != "" && exists(c.in(what), "flake.nix") {
		can = append(can, aFlake)
	}
	if c.isFile(what) {
		can = append(can, aFile)
	}
	if c.config != nil && len(c.config.Build) > 0 && what != "" && !strings.Contains(what, "#") && !isFlake(what) && !linksToStore(c.in(what)) {
		can = append(can, aTarget)
	}
	switch len(can) {
	case 0:
		return "", c.nothing(what)
	case 1:
		return can[0], nil
	}
	return "", cli.Usagef("%s may be %s: say which with --as", what, either(can))
}

func (c chooser) in(what string) string {
	if filepath.IsAbs(what) {
		return what
	}
	return filepath.Join(c.dir, what)
}

// isTarget: push.yaml names it as one.
func (c chooser) isTarget(what string) bool {
	for _, word := range []string{what, c.config.Relative(what, c.dir)} {
		for _, name := range c.config.Of(word) {
			if c.config.Services[name].Target == word {
				return true
			}
		}
	}
	return false
}

// isFlake: by its form alone.
func isFlake(what string) bool {
	if strings.Contains(what, "#") {
		return true
	}
	scheme, _, found := strings.Cut(what, ":")
	return found && slices.Contains([]string{"flake", "git", "github", "gitlab", "path", "sourcehut", "tarball", "https", "http"}, strings.Split(scheme, "+")[0])
}

func (c chooser) isFile(what string) bool {
	if what == "" {
		return false
	}
	return strings.HasSuffix(what, ".nix") && exists(c.in(what)) || exists(c.in(what), "default.nix")
}

func exists(parts ...string) bool {
	_, err := os.Stat(filepath.Join(parts...))
	return err == nil
}

func linksToStore(path string) bool {
	target, err := os.Readlink(path)
	return err == nil && nix.CheckPath(target) == nil
}

func either(can []kind) string {
	names := map[kind]string{aFlake: "a flake", aFile: "a Nix file", aTarget: "a target of the builder"}
	var words []string
	for _, k := range can {
		words = append(words, fmt.Sprintf("%s (--as %s)", names[k], k))
	}
	return strings.Join(words, " or ")
}

// nothing is the error for a WHAT that is none.
func (c chooser) nothing(what string) error {
	err := checkPath(what)
	if strings.HasSuffix(what, ".nix") {
		return cli.Usagef("there is no Nix file %s here", what)
	}
	if c.config == nil {
		return cli.Usagef("%w; nor is it a flake (.#web) or a Nix file, and no push.yaml here or above names a builder for it", err)
	}
	return cli.Usagef("%w; nor is it a flake (.#web) or a Nix file, and %s has no build", err, c.config.Path)
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
