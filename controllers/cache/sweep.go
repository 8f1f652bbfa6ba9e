package cache

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// deleters is how many objects are deleted at once.
const deleters = 16

func isCollection(key string) bool { return strings.HasPrefix(key, collectPrefix) }

// tell fills in what was decided, as if all of it were done.
func (c *collector) tell() {
	r, p := &c.report, &c.plan
	r.Missing = p.missing
	r.Deleted = p.sorted(p.doomed)
	r.Waiting = p.sorted(func(key string) bool { return !p.doomed(key) })
	c.next()
	for key, e := range c.items.entries {
		if !p.entries[key] {
			r.KeptPaths++
			r.KeptBytes += e.Size
		}
	}
	for key, o := range c.items.contents {
		if !p.contents[key] {
			r.KeptBytes += o.Size
		}
	}
}

// next works out when something may be deleted.
func (c *collector) next() {
	for _, w := range c.report.Waiting {
		if at := w.Since.Add(c.Grace); c.report.NextAt.IsZero() || at.Before(c.report.NextAt) {
			c.report.NextAt = at
		}
	}
}

// postpone takes back what was told of deletions.
func (c *collector) postpone() {
	r := &c.report
	if len(r.Deleted) == 0 {
		r.Postponed = ""
		return
	}
	for _, d := range r.Deleted {
		r.KeptBytes += d.Bytes
	}
	r.KeptPaths += len(c.plan.entries)
	r.Waiting, r.Deleted = c.plan.sorted(func(string) bool { return true }), []Candidate{}
	c.next()
}

// sweep deletes what is doomed, entries first, and from what refers to what is referred to.
// It stops at the first thing that goes wrong, and keeps the list of candidates true.
func (c *collector) sweep(ctx context.Context) error {
	waves := append(c.items.waves(c.plan.entries), slices.Sorted(maps.Keys(c.plan.contents)))
	gone := map[string]bool{}
	var failed error
	for _, wave := range waves {
		for part := range slices.Chunk(wave, deleters) {
			if failed = c.deleteAll(ctx, part, gone); failed != nil {
				break
			}
		}
		if failed != nil {
			break
		}
	}
	c.report.Deleted = c.plan.sorted(func(key string) bool { return gone[key] })
	if len(gone) == 0 {
		return failed
	}
	c.list.List = c.plan.sorted(func(key string) bool { return !gone[key] })
	if err := c.list.save(ctx, c.Objects); err != nil && failed == nil {
		failed = err
	}
	return failed
}

// deleteAll deletes a few objects at once, if the claim still keeps others away.
func (c *collector) deleteAll(ctx context.Context, keys []string, gone map[string]bool) error {
	if err := c.claim.fresh(); err != nil {
		return err
	}
	var mu sync.Mutex
	var wait sync.WaitGroup
	var failed error
	for _, key := range keys {
		wait.Go(func() {
			err := c.Objects.Delete(ctx, key)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = fmt.Errorf("deleting from the cache: %w", err)
				return
			}
			gone[key] = true
		})
	}
	wait.Wait()
	return failed
}
