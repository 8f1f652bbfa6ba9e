// Package pushconfig reads push.yaml, which says what deploy-push builds for each service.
package pushconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Name of the file, which is looked for in the working directory and above.
const Name = "push.yaml"

// Config is a push.yaml; config/samples/podcasts.push.yaml is a commented sample.
type Config struct {
	// Build is the project's own builder: a program and its arguments, in which {target}
	// stands for what is to be built. It runs in the directory of the file. The last line of
	// its standard output that is a store path is the result.
	Build []string
	// Services by name: what `deploy-push SERVICE` builds.
	Services map[string]Recipe

	// Path of the file.
	Path string
}

// Recipe says how one service is built: one of Target, Flake and File.
type Recipe struct {
	// Target is handed to Build. `deploy-push TARGET` is then the same as `deploy-push SERVICE`.
	Target string
	// Flake is an installable, .#web.
	Flake string
	// File is a Nix file, from the directory of push.yaml, and Attribute one of its own.
	File, Attribute string
}

// Dir is where builds run.
func (c *Config) Dir() string { return filepath.Dir(c.Path) }

// Find reads the push.yaml of a directory or of the nearest one above; nil when there is none.
func Find(dir string) (*Config, error) {
	for {
		path := filepath.Join(dir, Name)
		data, err := os.ReadFile(path)
		switch {
		case err == nil:
			c, err := Parse(data)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			c.Path = path
			return c, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("reading what to build: %w", err)
		}
		above := filepath.Dir(dir)
		if above == dir {
			return nil, nil
		}
		dir = above
	}
}

// Of gives the services that a target or a flake belongs to, by name.
func (c *Config) Of(what string) []string {
	var names []string
	for name, r := range c.Services {
		if what != "" && (r.Target == what || r.Flake == what) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Known lists everything that a single argument may be: services, targets and flakes.
func (c *Config) Known() []string {
	var known []string
	for name, r := range c.Services {
		for _, word := range []string{name, r.Target, r.Flake} {
			if word != "" {
				known = append(known, word)
			}
		}
	}
	slices.Sort(known)
	return slices.Compact(known)
}

// Relative is a path as targets are written, from the directory of push.yaml, for one that
// a person wrote from dir. What is not below that directory stays as it is.
func (c *Config) Relative(what, dir string) string {
	path := what
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, what)
	}
	below, err := filepath.Rel(c.Dir(), path)
	if err != nil || below == ".." || strings.HasPrefix(below, "../") {
		return what
	}
	return below
}
