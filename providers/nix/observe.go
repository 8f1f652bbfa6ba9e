package nix

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"deployer/providers"
)

// How long what was seen is believed. The Nix database tells by its files when it was
// written, so dbAge is only a second net; the disk tells nothing, so whole closures are
// looked at again after diskAge. The path itself is looked at in every Observe.
const (
	dbAge    = 10 * time.Minute
	diskAge  = 30 * time.Second
	askedAge = 15 * time.Minute
)

// facts remembers what the Nix database said, so that a pass over a thousand services
// runs no process at all while nobody writes the database, and three processes when
// somebody did. The first question takes all our roots along: after a start the first
// service pays for all.
type facts struct {
	m *Manager
	// lock is a mutex that a context can give up waiting for; it guards all below.
	lock chan struct{}

	stamp    stamp
	readAt   time.Time
	records  map[string]*record
	asked    map[string]time.Time
	lookedAt time.Time
	onDisk   map[string]bool
}

func newFacts(m *Manager) *facts {
	return &facts{m: m, lock: make(chan struct{}, 1), asked: map[string]time.Time{}}
}

func (f *facts) acquire(ctx context.Context) error {
	select {
	case f.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *facts) release() { <-f.lock }

// Observe tells, for each path, whether it and all that it needs is valid and on disk.
// What the database says is current; files that somebody deletes by hand behind a path's
// back are noticed within 30 s, those of the path itself at once.
func (m *Manager) Observe(ctx context.Context, storePaths ...string) (map[string]providers.ClosureFacts, error) {
	for _, p := range storePaths {
		if err := checkPath(p); err != nil {
			return nil, err
		}
	}
	f := m.facts
	if err := f.acquire(ctx); err != nil {
		return nil, err
	}
	defer f.release()
	if err := f.refresh(ctx, storePaths); err != nil {
		return nil, err
	}
	seen := make(map[string]providers.ClosureFacts, len(storePaths))
	for _, p := range storePaths {
		r, valid := f.records[p]
		if !valid {
			seen[p] = providers.ClosureFacts{OnDisk: m.exists(p)}
			continue
		}
		missing, err := f.missing(p)
		if err != nil {
			return nil, err
		}
		seen[p] = providers.ClosureFacts{Valid: true, OnDisk: m.exists(p) && len(missing) == 0, NarHash: r.narHash}
	}
	return seen, nil
}

// forget makes the next look a fresh one. Failed pulls and removed roots call it.
func (f *facts) forget() {
	f.lock <- struct{}{}
	defer f.release()
	f.records, f.onDisk = nil, nil
}

// inspect is a fresh look at one path: nil and false when it is not valid, else what of
// its closure is not on disk.
func (f *facts) inspect(ctx context.Context, storePath string) (missing []string, valid bool, err error) {
	if err := f.acquire(ctx); err != nil {
		return nil, false, err
	}
	defer f.release()
	f.records, f.onDisk = nil, nil
	if err := f.refresh(ctx, []string{storePath}); err != nil {
		return nil, false, err
	}
	if _, valid := f.records[storePath]; !valid {
		return nil, false, nil
	}
	missing, err = f.missing(storePath)
	return missing, true, err
}

// known reports whether a path and its closure are valid and were on disk when last
// looked at, without asking Nix.
func (f *facts) known(storePath string) bool {
	f.lock <- struct{}{}
	defer f.release()
	if _, valid := f.records[storePath]; !valid {
		return false
	}
	missing, err := f.missing(storePath)
	return err == nil && len(missing) == 0
}

// refresh makes the records those of the database as it is now, for these paths and for
// all that were asked about lately.
func (f *facts) refresh(ctx context.Context, storePaths []string) error {
	now, current := f.m.o.Now(), f.m.stamp()
	if f.records != nil && current == f.stamp && now.Sub(f.readAt) < dbAge {
		return f.learn(ctx, storePaths)
	}
	roots, err := f.m.Roots(ctx)
	if err != nil {
		return err
	}
	for p, at := range f.asked {
		if now.Sub(at) > askedAge {
			delete(f.asked, p)
		}
	}
	all := slices.Concat(slices.Collect(maps.Keys(f.asked)), slices.Collect(maps.Values(roots)), storePaths)
	slices.Sort(all)
	f.records, f.onDisk = map[string]*record{}, nil
	clear(f.asked)
	// The stamp was taken before: a write in between makes the next look read again.
	f.stamp, f.readAt = current, now
	if err := f.learn(ctx, slices.Compact(all)); err != nil {
		f.records = nil
		return err
	}
	return nil
}

// learn asks Nix about those of the paths that nobody asked about since the last reading.
func (f *facts) learn(ctx context.Context, storePaths []string) error {
	now := f.m.o.Now()
	var unknown []string
	for _, p := range storePaths {
		if _, known := f.asked[p]; !known {
			unknown = append(unknown, p)
		}
	}
	if len(unknown) > 0 {
		if err := f.m.query(ctx, unknown, f.records); err != nil {
			return err
		}
	}
	for _, p := range storePaths {
		f.asked[p] = now
	}
	return nil
}

// missing lists what of a valid path's closure is not on disk.
func (f *facts) missing(storePath string) ([]string, error) {
	if now := f.m.o.Now(); f.onDisk == nil || now.Sub(f.lookedAt) > diskAge {
		f.onDisk, f.lookedAt = make(map[string]bool, len(f.records)), now
	}
	var missing []string
	for _, p := range f.closure(storePath) {
		there, looked := f.onDisk[p]
		if !looked {
			var err error
			if there, err = f.m.look(p); err != nil {
				return nil, err
			}
			f.onDisk[p] = there
		}
		if !there {
			missing = append(missing, p)
		}
	}
	return missing, nil
}

func (f *facts) closure(root string) []string {
	seen := map[string]bool{root: true}
	paths := []string{root}
	for i := 0; i < len(paths); i++ {
		r := f.records[paths[i]]
		if r == nil {
			continue
		}
		for _, ref := range r.refs {
			if !seen[ref] {
				seen[ref] = true
				paths = append(paths, ref)
			}
		}
	}
	return paths
}

func (m *Manager) exists(storePath string) bool {
	there, err := m.look(storePath)
	return err == nil && there
}

// look keeps "not there" apart from "could not look": an I/O error must not start a repair.
func (m *Manager) look(storePath string) (bool, error) {
	_, err := os.Lstat(m.o.DiskRoot + storePath)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, unknown(err)
}
