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

// tell fills in what is gone, or would be, and what is not.
func (c *collector) tell(gone func(key string) bool) {
	r := &c.report
	r.Missing = c.plan.missing
	r.Deleted = c.plan.sorted(gone)
	r.Waiting = c.plan.sorted(func(key string) bool { return !gone(key) })
	for _, w := range r.Waiting {
		if at := w.Since.Add(c.Grace); r.NextAt.IsZero() || at.Before(r.NextAt) {
			r.NextAt = at
		}
	}
	for key := range c.plan.live {
		r.KeptPaths++
		r.KeptBytes += c.items.entries[key].Size
	}
	for key := range c.items.contentsOf(c.plan.live) {
		r.KeptBytes += c.items.contents[key].Size
	}
}

func nothing(string) bool { return false }

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
	c.tell(func(key string) bool { return gone[key] })
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
