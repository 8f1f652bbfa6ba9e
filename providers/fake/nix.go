package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"deployer/providers"
)

// Nix is the local store and what the caches have. Every path stands for its closure.
type Nix struct {
	// Cache has what can be pulled: store path to NAR hash.
	Cache map[string]string
	// Valid has what the database knows; OnDisk what is there. They may differ.
	Valid, OnDisk map[string]bool
	// Altered has what is on disk with other files than were registered.
	Altered map[string]bool
	// RootLinks are our roots: name to store path.
	RootLinks map[string]string
	// ForeignRoots are other people's; they keep paths, too.
	ForeignRoots map[string]string
}

func newNix() Nix {
	return Nix{
		Cache: map[string]string{}, Valid: map[string]bool{}, OnDisk: map[string]bool{}, Altered: map[string]bool{},
		RootLinks: map[string]string{}, ForeignRoots: map[string]string{},
	}
}

// Publish puts closures into the cache.
func (w *World) Publish(storePaths ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range storePaths {
		w.Nix.Cache[p] = narHash(p)
	}
}

// narHash is what the cache says, if it has the path: a hash for each look would be most
// of what a no-op pass costs here.
func (w *World) narHash(storePath string) string {
	if known := w.Nix.Cache[storePath]; known != "" {
		return known
	}
	return narHash(storePath)
}

func narHash(storePath string) string { return "sha256:" + digest(storePath)[:52] }

// CollectGarbage deletes every closure that has no root and that no process runs from.
func (w *World) CollectGarbage() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.Nix.Valid {
		if !w.rooted(p) && !w.runsFrom(p) {
			delete(w.Nix.Valid, p)
			delete(w.Nix.OnDisk, p)
			delete(w.Nix.Altered, p)
		}
	}
}

// rooted reports whether any root, also a foreign one, keeps the path.
func (w *World) rooted(storePath string) bool {
	for _, roots := range []map[string]string{w.Nix.RootLinks, w.Nix.ForeignRoots} {
		for _, p := range roots {
			if p == storePath {
				return true
			}
		}
	}
	return false
}

// closures is providers.Closures.
type closures struct{ w *World }

var _ providers.Closures = closures{}

func (n closures) Observe(ctx context.Context, storePaths ...string) (map[string]providers.ClosureFacts, error) {
	out := make(map[string]providers.ClosureFacts, len(storePaths))
	c := look("closures.Observe")
	copy(c.Args[:], storePaths)
	err := n.w.run(ctx, c, func() error {
		for _, p := range storePaths {
			f := providers.ClosureFacts{Valid: n.w.Nix.Valid[p], OnDisk: n.w.Nix.OnDisk[p]}
			if f.Valid {
				f.NarHash = n.w.narHash(p)
			}
			out[p] = f
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (n closures) Pull(ctx context.Context, storePath string) error {
	return n.w.run(ctx, act("closures.Pull", storePath), func() error {
		nix := &n.w.Nix
		if _, ok := nix.Cache[storePath]; !ok && !(nix.Valid[storePath] && nix.OnDisk[storePath]) {
			return closureMissing(storePath)
		}
		if !nix.Valid[storePath] || !nix.OnDisk[storePath] {
			delete(nix.Altered, storePath)
		}
		nix.Valid[storePath], nix.OnDisk[storePath] = true, true
		return nil
	})
}

func closureMissing(storePath string) error {
	return &providers.Fault{
		Reason:  "ClosureMissing",
		Message: fmt.Sprintf("no cache has %s: push it, for example with `deploy-push`", storePath),
		Err:     providers.ErrNotFound,
	}
}

func (n closures) Verify(ctx context.Context, r providers.VerifyRequest) (out providers.Verified, err error) {
	paths := slices.Compact(slices.Sorted(slices.Values(r.StorePaths)))
	c := look("closures.Verify")
	copy(c.Args[:], paths)
	err = n.w.run(ctx, c, func() error {
		for _, p := range paths {
			if !n.w.Nix.Valid[p] {
				continue
			}
			out.Paths++
			if n.w.Nix.Altered[p] || !n.w.Nix.OnDisk[p] {
				out.Altered = append(out.Altered, providers.Altered{StorePath: p, What: "its files are others"})
			}
		}
		return nil
	})
	return out, err
}

func (n closures) Repair(ctx context.Context, storePath string) error {
	return n.w.run(ctx, act("closures.Repair", storePath), func() error {
		if n.w.Nix.Cache[storePath] == "" {
			return closureMissing(storePath)
		}
		delete(n.w.Nix.Altered, storePath)
		n.w.Nix.OnDisk[storePath] = true
		return nil
	})
}

func (n closures) RootTarget(ctx context.Context, name string) (target string, err error) {
	err = n.w.run(ctx, look("closures.RootTarget", name), func() error {
		var found bool
		if target, found = n.w.Nix.RootLinks[name]; !found {
			return fmt.Errorf("reading the root %s: %w", name, providers.ErrNotFound)
		}
		return nil
	})
	return target, err
}

func (n closures) Roots(ctx context.Context) (out map[string]string, err error) {
	err = n.w.run(ctx, look("closures.Roots"), func() error {
		out = maps.Clone(n.w.Nix.RootLinks)
		return nil
	})
	return out, err
}

func (n closures) Root(ctx context.Context, name, storePath string) error {
	return n.w.run(ctx, act("closures.Root", name, storePath), func() error {
		before := n.w.Nix.RootLinks[name]
		n.w.Nix.RootLinks[name] = storePath
		n.w.watchRoot(before)
		return nil
	})
}

func (n closures) Unroot(ctx context.Context, name string) error {
	return n.w.run(ctx, act("closures.Unroot", name), func() error {
		before := n.w.Nix.RootLinks[name]
		delete(n.w.Nix.RootLinks, name)
		n.w.watchRoot(before)
		return nil
	})
}
