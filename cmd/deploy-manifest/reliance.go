package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
	"deployer/controllers/cache"
	"deployer/providers"
	"deployer/providers/nix"
)

// reliance keeps collections of the cache from deleting a release while a write names it
// that did not name it before. A write that names no other release needs none of it.
type reliance struct {
	a         *app
	c         *cobra.Command
	w         write
	objects   providers.Objects
	announced *cache.Announcement
	warned    bool
}

// during makes the change announce itself, in time: before the manifest is written.
func (r *reliance) during(change func(*v1.Manifest) error) func(*v1.Manifest) error {
	return func(m *v1.Manifest) error {
		before := releasesOf(m)
		if err := change(m); err != nil {
			return err
		}
		var named []string
		for path := range releasesOf(m) {
			if !before[path] && nix.CheckPath(path) == nil {
				named = append(named, path)
			}
		}
		slices.Sort(named)
		switch {
		case len(named) == 0:
			return nil
		case r.w.dryRun:
			r.warn(named)
			return nil
		}
		return r.announce(named)
	}
}

func releasesOf(m *v1.Manifest) map[string]bool {
	out := map[string]bool{}
	for _, s := range m.Services {
		if s.HasRelease() {
			out[s.Artifact.StorePath] = true
		}
	}
	return out
}

// announce does so once; after a lost race it looks whether the announcement still stands.
func (r *reliance) announce(named []string) (err error) {
	if r.announced != nil {
		return r.announced.Valid()
	}
	r.announced, err = cache.Announce(r.c.Context(), cache.AnnounceOptions{
		Objects: r.objects, By: r.a.who(), What: r.c.CommandPath(), Now: r.a.now, Waiting: func(m string) { r.c.PrintErrln(m) },
	})
	if err != nil {
		return fmt.Errorf("keeping collections of the cache away: %w", err)
	}
	r.warn(named)
	return nil
}

// warn tells of releases that the cache certainly has not.
func (r *reliance) warn(named []string) {
	if !r.w.cached || r.warned {
		return
	}
	r.warned = true
	index := nix.NewIndex(r.objects)
	for _, path := range named {
		if _, err := r.objects.Stat(r.c.Context(), index.Key(path)); errors.Is(err, providers.ErrNotFound) {
			r.c.PrintErrf("warning: the cache has no %s any more: hosts without it keep what runs, until you push it again\n", path)
		}
	}
}

// end lets collections go on.
func (r *reliance) end() {
	if r.announced != nil {
		r.announced.Done(r.c.Context())
	}
}
