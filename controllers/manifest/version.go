package manifest

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// The names of versions beside generations and those that list prints.
const (
	// Current is the manifest in force.
	Current = "current"
	// Previous is the version that it took the place of.
	Previous = "previous"
)

// Version is one version of the manifest.
type Version struct {
	// Archive is the name that list prints; empty for the one in force.
	Archive string
	// Manifest is not to be changed; nil when it cannot be read.
	Manifest *v1.Manifest
	// Err is why it cannot be read.
	Err error
}

// Title is what messages call it: "generation 12 (manifest-….json)".
func (v *Version) Title() string {
	switch {
	case v.Archive == "":
		return fmt.Sprintf("generation %d", v.Manifest.Generation)
	case v.Manifest.Generation == 0:
		return v.Archive
	}
	return fmt.Sprintf("generation %d (%s)", v.Manifest.Generation, v.Archive)
}

// archives keeps what was read of the archive, for as long as the Repository lives: a
// version that is archived never changes.
type archives struct {
	mu   sync.Mutex
	read map[string]*v1.Manifest
}

func (a *archives) get(name string) *v1.Manifest {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.read[name]
}

func (a *archives) put(name string, m *v1.Manifest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.read == nil {
		a.read = map[string]*v1.Manifest{}
	}
	a.read[name] = m
}

// readers is how many archived versions are asked for at once.
const readers = 16

// Versions reads archived versions, in the order of their names. One that is damaged or
// gone is an entry with its error; a store that gives no answer is an error of the whole.
func (r *Repository) Versions(ctx context.Context, names []string) ([]Version, error) {
	out := make([]Version, len(names))
	turns := make(chan struct{}, readers)
	var all sync.WaitGroup
	for i, name := range names {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			out[i].Archive = name
			out[i].Manifest, out[i].Err = r.readArchive(ctx, name)
		})
	}
	all.Wait()
	for _, v := range out {
		var invalid *InvalidError
		if v.Err != nil && !errors.As(v.Err, &invalid) && !errors.Is(v.Err, providers.ErrNotFound) {
			return nil, fmt.Errorf("reading the archive: %w", v.Err)
		}
	}
	return out, nil
}

// Version finds a version by any of its names: current, previous, a generation, or the
// name of an archived version.
func (r *Repository) Version(ctx context.Context, name string) (*Version, error) {
	switch {
	case name == Current:
		s, err := r.Read(ctx)
		if err != nil {
			return nil, err
		}
		return &Version{Manifest: s.Manifest}, nil
	case name == Previous:
		return r.previous(ctx)
	case IsGeneration(name):
		generation, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			return nil, noGeneration(name, nil)
		}
		return r.generation(ctx, generation)
	}
	m, err := r.ReadArchive(ctx, name)
	if err != nil {
		return nil, err
	}
	return &Version{Archive: path.Base(name), Manifest: m}, nil
}

// IsGeneration reports whether a name is that of a generation: digits.
func IsGeneration(name string) bool { return name != "" && strings.Trim(name, "0123456789") == "" }

// previous is the version that the one in force took the place of, by the hash that it
// names. Where the one in force is lost or damaged, it is the last that was archived.
func (r *Repository) previous(ctx context.Context) (*Version, error) {
	names, err := r.Archives(ctx)
	if err != nil {
		return nil, err
	}
	now, err := r.orLost(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(names) == 0:
		return nil, &providers.Fault{
			Reason: "ArchiveEmpty", Err: providers.ErrNotFound,
			Message: "nothing is archived in " + r.storeName + " yet: the first change of the manifest archives the version before it",
		}
	}
	var all []Version
	for part := range slices.Chunk(names, readers) {
		some, err := r.Versions(ctx, part)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if i := indexOfHash(some, now); i >= 0 {
			return &some[i], nil
		}
	}
	if v := newestBelow(all, now); v != nil {
		return v, nil
	}
	return nil, &providers.Fault{
		Reason: "ArchiveMissing", Err: providers.ErrNotFound,
		Message: "no archived version that can be read came before the manifest in force; `deploy-manifest list -o table` shows what there is",
	}
}

// orLost is the manifest in force, or nil for one that is lost or damaged.
func (r *Repository) orLost(ctx context.Context) (*v1.Manifest, error) {
	s, err := r.ReadIfChanged(ctx, "")
	var invalid *InvalidError
	switch {
	case err == nil:
		return s.Manifest, nil
	case errors.Is(err, providers.ErrNotFound), errors.As(err, &invalid) && !v1.NeedsNewer(invalid.Err):
		return nil, nil
	}
	return nil, err
}

// indexOfHash finds the version that another one says it follows.
func indexOfHash(list []Version, m *v1.Manifest) int {
	if m == nil || m.Previous == "" {
		return -1
	}
	return slices.IndexFunc(list, func(v Version) bool { return v.Manifest != nil && v.Manifest.Hash() == m.Previous })
}

// newestBelow is the highest generation below that of m, in its lineage. Without m it is
// the highest of the lineage that the newest one has.
func newestBelow(list []Version, m *v1.Manifest) *Version {
	var out *Version
	for i := range list {
		v := &list[i]
		switch {
		case v.Manifest == nil, m != nil && (v.Manifest.Lineage != m.Lineage || v.Manifest.Generation >= m.Generation):
		case out == nil, v.Manifest.Lineage == out.Manifest.Lineage && v.Manifest.Generation > out.Manifest.Generation:
			out = v
		}
	}
	return out
}
