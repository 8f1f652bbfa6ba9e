package manifest

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

const (
	archivePrefix = "manifests/"
	archiveTime   = "20060102T150405Z"
)

// archiveName matches the names that we and the system before us gave; the old one
// sometimes left out the Z.
var archiveName = regexp.MustCompile(`^manifest-(\d{8}T\d{6})Z?(?:-g(\d+))?\.json$`)

// archive keeps a version under its own time. It never overwrites: a second generation of
// the same second gets its number into its name.
func (r *Repository) archive(ctx context.Context, s *Snapshot) (string, error) {
	switch {
	case s.damaged:
		return r.keepDamaged(ctx, s)
	case s.missing:
		return "", nil
	}
	at := s.Manifest.UpdatedAt
	if at.IsZero() {
		at = s.ModifiedAt
	}
	stamp := "manifest-" + at.UTC().Format(archiveTime)
	names := []string{stamp + ".json", fmt.Sprintf("%s-g%d.json", stamp, s.Manifest.Generation)}
	for _, name := range names {
		kept, err := r.keep(ctx, name, s)
		if err != nil {
			return "", fmt.Errorf("archiving generation %d: %w", s.Manifest.Generation, err)
		}
		if kept {
			return name, nil
		}
	}
	return "", fmt.Errorf("archiving generation %d: %s is taken by another version; try again", s.Manifest.Generation, names[1])
}

// keep writes a version under a name, unless another one has that name. It looks first,
// for stores that ignore conditions; an earlier try, or another writer, may have archived
// just this version.
func (r *Repository) keep(ctx context.Context, name string, s *Snapshot) (bool, error) {
	for range 2 {
		there, err := r.get(ctx, archivePrefix+name, "")
		var invalid *InvalidError
		switch {
		case err == nil:
			return there.Hash == s.Hash, nil
		case errors.As(err, &invalid):
			return false, nil
		case !errors.Is(err, providers.ErrNotFound):
			return false, err
		}
		err = r.put(ctx, archivePrefix+name, s.Manifest, providers.PutOptions{IfAbsent: true})
		if !errors.Is(err, providers.ErrConflict) {
			return err == nil, err
		}
	}
	return false, nil
}

// nextGeneration is one more than the present one, unless an older manifest was put back
// by hand. Hosts have seen newer ones then and refuse it, so the next has to be above all
// that were ever in force: one more than the newest archived, which the lost one had, is
// not enough.
func (r *Repository) nextGeneration(ctx context.Context, present *Snapshot) (int64, error) {
	next := present.Manifest.Generation + 1
	names, err := r.Archives(ctx)
	if err != nil || len(names) == 0 {
		return next, err
	}
	newest, err := r.get(ctx, archivePrefix+names[0], "")
	var invalid *InvalidError
	switch {
	case errors.As(err, &invalid):
		return next, nil
	case err != nil:
		return 0, err
	case newest.Manifest.Lineage != present.Manifest.Lineage:
		return next, nil
	}
	switch archived := newest.Manifest.Generation; {
	case archived > present.Manifest.Generation,
		// A version is archived after it was written, so that a writer is at it or died; here
		// it was written after it was archived.
		archived == present.Manifest.Generation && present.ModifiedAt.After(newest.ModifiedAt):
		return archived + 2, nil
	}
	return next, nil
}

// Archives lists the archived versions, newest first.
func (r *Repository) Archives(ctx context.Context) ([]string, error) {
	objects, err := r.objects.List(ctx, archivePrefix)
	if err != nil {
		return nil, fmt.Errorf("listing the archive: %w", err)
	}
	var names []string
	for _, o := range objects {
		if name := path.Base(o.Key); archiveName.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return compareArchives(b, a) })
	return names, nil
}

// compareArchives orders by time, then by generation.
func compareArchives(a, b string) int {
	ma, mb := archiveName.FindStringSubmatch(a), archiveName.FindStringSubmatch(b)
	if c := strings.Compare(ma[1], mb[1]); c != 0 {
		return c
	}
	ga, _ := strconv.ParseInt(ma[2], 10, 64)
	gb, _ := strconv.ParseInt(mb[2], 10, 64)
	if ga != gb {
		return int(min(max(ga-gb, -1), 1))
	}
	return strings.Compare(a, b)
}

// ReadArchive reads an archived version by the name that list prints.
func (r *Repository) ReadArchive(ctx context.Context, name string) (*v1.Manifest, error) {
	m, err := r.readArchive(ctx, name)
	if err != nil {
		return nil, err
	}
	return m.Clone(), nil
}

// readArchive gives what all readers share, and nobody may change.
func (r *Repository) readArchive(ctx context.Context, name string) (*v1.Manifest, error) {
	name = path.Base(name)
	if !archiveName.MatchString(name) {
		return nil, &providers.Fault{
			Reason: "ArchiveUnknown", Err: providers.ErrNotFound,
			Message: fmt.Sprintf("%q is not the name of an archived manifest, nor a generation; `deploy-manifest list` and `deploy-manifest history` print them", name),
		}
	}
	if m := r.archived.get(name); m != nil {
		return m, nil
	}
	s, err := r.get(ctx, archivePrefix+name, "")
	if errors.Is(err, providers.ErrNotFound) {
		return nil, &providers.Fault{
			Reason: "ArchiveMissing", Err: providers.ErrNotFound,
			Message: fmt.Sprintf("there is no archived manifest %s in %s; `deploy-manifest list` prints those that there are", name, r.storeName),
		}
	}
	if err != nil {
		return nil, err
	}
	r.archived.put(name, s.Manifest)
	return s.Manifest, nil
}

// IsArchive reports whether a name has the form of an archived version's.
func IsArchive(name string) bool { return archiveName.MatchString(name) }

// ArchiveTime is the time in an archive's name.
func ArchiveTime(name string) (time.Time, bool) {
	m := archiveName.FindStringSubmatch(path.Base(name))
	if m == nil {
		return time.Time{}, false
	}
	at, err := time.Parse("20060102T150405", m[1])
	return at, err == nil
}
