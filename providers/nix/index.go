package nix

import (
	"context"
	"fmt"

	"deployer/providers"
)

// Index reads the narinfos of a binary cache.
type Index struct{ objects providers.Objects }

var _ providers.CacheIndex = (*Index)(nil)

// NewIndex makes an Index of the cache in objects. It reads nothing yet.
func NewIndex(objects providers.Objects) *Index { return &Index{objects: objects} }

// Key is that of the path's narinfo.
func (*Index) Key(storePath string) string {
	if checkPath(storePath) != nil {
		return ""
	}
	return narinfoKey(storePath)
}

// Entry reads a narinfo. Its signatures are not looked at: what nobody trusts may be in use
// elsewhere.
func (x *Index) Entry(ctx context.Context, key string) (providers.CacheEntry, error) {
	data, _, err := readSmall(ctx, x.objects, key)
	if err != nil {
		return providers.CacheEntry{}, fmt.Errorf("reading the cache: %w", err)
	}
	info, err := parseNarinfo(data)
	switch {
	case err != nil:
		return providers.CacheEntry{Problem: fmt.Sprintf("%s is no narinfo: %v", key, err)}, nil
	case narinfoKey(info.StorePath) != key:
		return providers.CacheEntry{Problem: fmt.Sprintf("%s is about %s", key, info.StorePath)}, nil
	}
	e := providers.CacheEntry{StorePath: info.StorePath, Content: info.URL}
	for _, ref := range info.References {
		if need := narinfoKey(storeDir + ref); need != key {
			e.Needs = append(e.Needs, need)
		}
	}
	return e, nil
}
