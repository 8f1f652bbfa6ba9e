package nix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/nix-community/go-nix/pkg/narinfo"
	"github.com/nix-community/go-nix/pkg/narinfo/signature"
	"github.com/nix-community/go-nix/pkg/nixhash"

	"deployer/providers"
)

// walkers is how many narinfos are asked for at once: enough to hide the latency of a
// distant store.
const walkers = 16

// Cache reads a binary cache without Nix: what it has, and who signed it.
type Cache struct {
	objects providers.Objects
	keys    []signature.PublicKey
	// atOnce is how many narinfos are asked for at once.
	atOnce int
}

// NewCache reads the cache in objects; trusted are public keys as name:base64.
func NewCache(objects providers.Objects, trusted []string) (*Cache, error) {
	keys, err := parsePublicKeys(trusted)
	if err != nil {
		return nil, err
	}
	return &Cache{objects: objects, keys: keys, atOnce: walkers}, nil
}

// PathStatus is what the cache has of one path of a closure.
type PathStatus struct {
	StorePath string
	// Found: the cache has its narinfo. When it has not, only Other and Problem may be set.
	Found bool
	// Problem says what is wrong with the narinfo; empty when nothing is.
	Problem string
	// Other is the store path that the narinfo in this one's place is about; empty when it
	// is about this one. With the same hash it is most likely the one that was meant.
	Other string
	// URL is the key of its NAR.
	URL string
	// DownloadSize is in bytes, compressed; 0 when the cache does not say.
	DownloadSize int64
	// NarSize is in bytes, about what it will take on disk.
	NarSize int64
	// NarHash is sha256:<Nix base32>.
	NarHash string
	// References are the store paths it needs, itself among them when it refers to itself.
	References []string
	// Signatures names the keys that the narinfo claims to be signed with.
	Signatures []string
	// TrustedBy names the trusted keys whose signature is good.
	TrustedBy []string
	// ContentAddressed paths prove their content by their name and need no signature.
	ContentAddressed bool
	// ETag is that of the narinfo.
	ETag string
}

// Trusted reports whether a host with these keys would accept the path.
func (p PathStatus) Trusted() bool {
	return p.Found && p.Problem == "" && (len(p.TrustedBy) > 0 || p.ContentAddressed)
}

// Closure tells, for every path of the closure, what the cache has of it, sorted by path
// with the root first. A path that is missing is an entry and not an error, and what lies
// behind it is unknown. An error means that the cache gave no answer.
func (c *Cache) Closure(ctx context.Context, storePath string) ([]PathStatus, error) {
	return c.walk(ctx, storePath, func(string) bool { return false })
}

// walk is Closure without the paths that skip names, and without what lies behind them. It
// starts at the others, too, which may lie behind what is missing or damaged.
func (c *Cache) walk(ctx context.Context, root string, skip func(storePath string) bool, others ...string) ([]PathStatus, error) {
	for _, p := range append([]string{root}, others...) {
		if err := checkPath(p); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &walk{cache: c, skip: skip, seen: map[string]bool{}, slots: make(chan struct{}, c.atOnce), fail: cancel}
	w.visit(ctx, root)
	for _, p := range others {
		w.visit(ctx, p)
	}
	w.running.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("reading closure %s from the cache: %w", root, err)
	}
	slices.SortFunc(w.found, func(a, b PathStatus) int {
		if a.StorePath == root || b.StorePath == root {
			return cmp.Compare(rootFirst(a, root), rootFirst(b, root))
		}
		return cmp.Compare(a.StorePath, b.StorePath)
	})
	return w.found, nil
}

func rootFirst(p PathStatus, root string) int {
	if p.StorePath == root {
		return 0
	}
	return 1
}

type walk struct {
	cache   *Cache
	skip    func(string) bool
	fail    context.CancelCauseFunc
	slots   chan struct{}
	running sync.WaitGroup

	mu    sync.Mutex
	seen  map[string]bool
	found []PathStatus
}

// visit looks at a path and then at its references, each path once.
func (w *walk) visit(ctx context.Context, storePath string) {
	w.mu.Lock()
	known := w.seen[storePath]
	w.seen[storePath] = true
	w.mu.Unlock()
	if known || w.skip(storePath) {
		return
	}
	w.running.Go(func() {
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		status, err := w.cache.status(ctx, storePath)
		<-w.slots
		if err != nil {
			w.fail(err)
			return
		}
		w.mu.Lock()
		w.found = append(w.found, status)
		w.mu.Unlock()
		for _, ref := range status.References {
			w.visit(ctx, ref)
		}
	})
}

// status is one path; only an answer that never came is an error.
func (c *Cache) status(ctx context.Context, storePath string) (PathStatus, error) {
	info, etag, err := readNarinfo(ctx, c.objects, storePath)
	var other *otherPathError
	switch {
	case errors.Is(err, providers.ErrNotFound):
		return PathStatus{StorePath: storePath}, nil
	case errors.As(err, &other) && narinfoKey(other.has) == narinfoKey(storePath):
		return PathStatus{StorePath: storePath, Other: other.has, Problem: "the cache has " + filepath.Base(other.has) + " with this hash"}, nil
	case errors.As(err, &other):
		return PathStatus{StorePath: storePath, Found: true, Other: other.has, Problem: err.Error(), ETag: etag}, nil
	case errors.Is(err, errBadNarinfo):
		return PathStatus{StorePath: storePath, Found: true, Problem: err.Error(), ETag: etag}, nil
	case err != nil:
		return PathStatus{}, err
	}
	status := statusOf(info, c.keys)
	status.ETag = etag
	return status, nil
}

func statusOf(info *narinfo.NarInfo, keys []signature.PublicKey) PathStatus {
	p := PathStatus{
		StorePath:        info.StorePath,
		Found:            true,
		URL:              info.URL,
		DownloadSize:     int64(info.FileSize),
		NarSize:          int64(info.NarSize),
		NarHash:          info.NarHash.Format(nixhash.NixBase32, true),
		TrustedBy:        signers(info, keys),
		ContentAddressed: info.CA != "",
	}
	for _, ref := range info.References {
		p.References = append(p.References, storeDir+ref)
	}
	for _, sig := range info.Signatures {
		p.Signatures = append(p.Signatures, sig.Name)
	}
	return p
}
