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
	at := s.Manifest.UpdatedAt
	if at.IsZero() {
		at = s.ModifiedAt
	}
	stamp := "manifest-" + at.UTC().Format(archiveTime)
	names := []string{stamp + ".json", fmt.Sprintf("%s-g%d.json", stamp, s.Manifest.Generation)}
	for _, name := range names {
		_, err := r.put(ctx, archivePrefix+name, s.Manifest, providers.PutOptions{IfAbsent: true})
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, providers.ErrConflict) {
			return "", fmt.Errorf("archiving generation %d: %w", s.Manifest.Generation, err)
		}
		there, err := r.get(ctx, archivePrefix+name, "")
		if err == nil && there.Hash == s.Hash {
			return name, nil // an earlier try, or another writer, archived just this
		}
	}
	return "", fmt.Errorf("archiving generation %d: %s is taken by another version; try again", s.Manifest.Generation, names[1])
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
	name = path.Base(name)
	if !archiveName.MatchString(name) {
		return nil, &providers.Fault{
			Reason: "ArchiveUnknown", Err: providers.ErrNotFound,
			Message: fmt.Sprintf("%q is not the name of an archived manifest; `deploy-manifest list` prints them", name),
		}
	}
	s, err := r.get(ctx, archivePrefix+name, "")
	if errors.Is(err, providers.ErrNotFound) {
		return nil, &providers.Fault{
			Reason: "ArchiveMissing", Err: err,
			Message: fmt.Sprintf("there is no archived manifest %s in %s; `deploy-manifest list` prints those that there are", name, r.storeName),
		}
	}
	if err != nil {
		return nil, err
	}
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
