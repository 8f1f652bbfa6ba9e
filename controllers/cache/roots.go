package cache

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// roots gives the keys of what is needed by name.
func (c *collector) roots(ctx context.Context, now time.Time) ([]string, error) {
	kept, err := c.Kept(ctx, now)
	if err != nil {
		return nil, err
	}
	c.report.Manifests = len(kept)
	var paths []string
	for _, m := range kept {
		for _, s := range m.Services {
			if s.HasRelease() {
				paths = append(paths, s.Artifact.StorePath)
			}
		}
	}
	out, err := c.keys(paths)
	if err != nil {
		return nil, err
	}
	used, err := c.inUse(ctx)
	if err != nil {
		return nil, err
	}
	out = append(out, used...)
	slices.Sort(out)
	return slices.Compact(out), nil
}

// keys are those of the paths of releases. One that has none could not be protected.
func (c *collector) keys(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		key := c.Index.Key(p)
		if key == "" {
			return nil, fmt.Errorf("working out what is needed: %q is not a store path", p)
		}
		out = append(out, key)
	}
	return out, nil
}

// inUse gives the keys of what hosts report. Not everything in a report that looks like a
// store path is one.
func (c *collector) inUse(ctx context.Context) ([]string, error) {
	hosts, err := reports(ctx, c.Objects, c.IgnoreReports)
	if err != nil {
		return nil, err
	}
	known := map[string]string{}
	if c.Releases != nil && len(hosts) > 0 {
		if known, err = c.Releases(ctx); err != nil {
			return nil, err
		}
	}
	var out []string
	add := func(storePath string) {
		if key := c.Index.Key(storePath); key != "" {
			out = append(out, key)
		}
	}
	for _, h := range hosts {
		c.report.Hosts = append(c.report.Hosts, h.host)
		for _, p := range h.paths {
			add(p)
		}
		for _, revision := range h.revisions {
			add(known[revision])
		}
	}
	return out, nil
}
