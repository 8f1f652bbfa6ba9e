package fake

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"deployer/providers"
)

// CacheIndex reads the narinfos among the objects of a store. They need to have no more
// than a StorePath, a URL and References.
func CacheIndex(store providers.Objects) providers.CacheIndex { return cacheIndex{store} }

type cacheIndex struct{ store providers.Objects }

var _ providers.CacheIndex = cacheIndex{}

func (cacheIndex) Key(storePath string) string {
	base, below := strings.CutPrefix(storePath, "/nix/store/")
	if hash, _, ok := strings.Cut(base, "-"); ok && below && len(hash) == 32 && !strings.Contains(base, "/") {
		return hash + ".narinfo"
	}
	return ""
}

func (x cacheIndex) Entry(ctx context.Context, key string) (providers.CacheEntry, error) {
	object, err := x.store.Get(ctx, key, providers.GetOptions{})
	if err != nil {
		return providers.CacheEntry{}, err
	}
	defer object.Body.Close()
	data, err := io.ReadAll(object.Body)
	if err != nil {
		return providers.CacheEntry{}, fmt.Errorf("reading %s: %w", key, err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		fields[name] = value
	}
	e := providers.CacheEntry{StorePath: fields["StorePath"], Content: fields["URL"]}
	switch at := x.Key(e.StorePath); {
	case at == "" || e.Content == "":
		return providers.CacheEntry{Problem: key + " is no narinfo"}, nil
	case at != key:
		return providers.CacheEntry{Problem: key + " is about " + e.StorePath}, nil
	}
	for _, ref := range strings.Fields(fields["References"]) {
		if need := x.Key("/nix/store/" + path.Base(ref)); need != key {
			e.Needs = append(e.Needs, need)
		}
	}
	return e, nil
}
