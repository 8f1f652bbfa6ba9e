package manifest

import (
	"context"
	"fmt"
	"time"

	"deployer/providers"
)

// KeepOptions bound the versions whose releases the cache keeps.
type KeepOptions struct {
	// Newest is the number of archived versions that are kept however old they are.
	Newest int
	// Since keeps every version that was in force then or later.
	Since time.Time
}

// Kept gives the version in force and the archived ones within the bounds, newest first.
// All of them can be read: of one that cannot be, nobody knows what it needs, so it is an
// error.
func (r *Repository) Kept(ctx context.Context, o KeepOptions) ([]Version, error) {
	now, err := r.Version(ctx, Current)
	if err != nil {
		return nil, err
	}
	names, err := r.Archives(ctx)
	if err != nil {
		return nil, err
	}
	until := now.Manifest.UpdatedAt
	for i, name := range names {
		// It was in force from its own time until then; by the clocks of two writers.
		began, _ := ArchiveTime(name)
		if i >= o.Newest && until.Before(o.Since) && began.Before(o.Since) {
			names = names[:i]
			break
		}
		until = began
	}
	versions, err := r.Versions(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		if v.Err != nil {
			return nil, &providers.Fault{
				Reason: "ArchiveUnreadable", Err: v.Err,
				Message: "of " + v.Archive + " nobody knows which releases it needs; delete it from " + archivePrefix + " in the store if it is of no use",
			}
		}
	}
	return append([]Version{*now}, versions...), nil
}

// Releases gives the store path of every revision that any version names that can be read.
func (r *Repository) Releases(ctx context.Context) (map[string]string, error) {
	names, err := r.Archives(ctx)
	if err != nil {
		return nil, err
	}
	versions, err := r.Versions(ctx, names)
	if err != nil {
		return nil, err
	}
	now, err := r.Version(ctx, Current)
	if err != nil {
		return nil, fmt.Errorf("reading the manifest in force: %w", err)
	}
	out := map[string]string{}
	for _, v := range append(versions, *now) {
		if v.Manifest == nil {
			continue
		}
		for _, s := range v.Manifest.Services {
			if s.HasRelease() {
				out[s.Release().Revision()] = s.Artifact.StorePath
			}
		}
	}
	return out, nil
}
