package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"deployer/providers"
)

// inventoryReaders is how many entries are read at once.
const inventoryReaders = 16

// takeInventory reads all that the cache says of its paths. What was deleted since it was
// listed is not there.
func takeInventory(ctx context.Context, objects providers.Objects, index providers.CacheIndex) (*inventory, error) {
	all, err := objects.List(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("listing the cache: %w", err)
	}
	v := &inventory{entries: map[string]*entry{}, contents: map[string]providers.ObjectInfo{}}
	var mu sync.Mutex
	var wait sync.WaitGroup
	var failed error
	turns := make(chan struct{}, inventoryReaders)
	for _, o := range all {
		if isContent(o.Key) {
			v.contents[o.Key] = o
		}
		if !isEntry(o.Key) {
			continue
		}
		turns <- struct{}{}
		wait.Go(func() {
			defer func() { <-turns }()
			read, err := index.Entry(ctx, o.Key)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, providers.ErrNotFound):
			case err != nil:
				failed = err
			default:
				v.entries[o.Key] = &entry{ObjectInfo: o, CacheEntry: read}
			}
		})
	}
	wait.Wait()
	return v, failed
}
