package manifest

import (
	"context"
	"errors"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// The two ways out of a store without a manifest that has archived versions.
const (
	bringBack = "`deploy-manifest rollback $(deploy-manifest list -n 1)`"
	beginAnew = "`deploy-manifest init --new-lineage`"
)

func missing(message string) error {
	return &providers.Fault{Reason: "ManifestMissing", Err: providers.ErrNotFound, Message: message}
}

// explainMissing says the one way out that fits. Without an answer about the archive, the
// words that name both stand.
func (r *Repository) explainMissing(ctx context.Context, err error) error {
	names, listErr := r.Archives(ctx)
	switch {
	case listErr != nil:
		return err
	case len(names) > 0:
		return missing("there is no manifest in " + r.storeName + ", but there are archived versions; if it was lost: " +
			bringBack + "; to begin anew, which every host has to adopt: " + beginAnew)
	}
	return missing("there is no manifest in " + r.storeName + ": make the first one with `deploy-manifest init`")
}

// orStandIn stands in for a manifest in force that is lost or damaged. Its lineage and
// generation follow from the archive; its services are not known. One that only a newer
// program can read is neither lost nor damaged.
func (r *Repository) orStandIn(ctx context.Context, before *Snapshot, err error) (*Snapshot, error) {
	var damaged *InvalidError
	isDamaged := errors.As(err, &damaged) && !v1.NeedsNewer(damaged.Err)
	if !isDamaged && !errors.Is(err, providers.ErrNotFound) {
		return before, err
	}
	last, lastErr := r.lastArchived(ctx)
	if last == nil {
		return nil, errors.Join(err, lastErr)
	}
	// A version is archived when the next one is written: the lost one came after it.
	m := &v1.Manifest{Version: v1.Version, Lineage: last.Lineage, Generation: last.Generation + 1, Services: []v1.Service{}}
	s := &Snapshot{Manifest: m, Hash: m.Hash(), missing: !isDamaged}
	if isDamaged {
		s.Raw, s.ETag, s.damaged = damaged.Raw, damaged.ETag, true
	}
	return s, nil
}

// lastArchived is the highest generation of the newest archive's lineage. It reads them
// all: the names follow the clocks of the writers, and one that was ahead stays first.
// Nil without an error: nothing that can be read is archived.
func (r *Repository) lastArchived(ctx context.Context) (*v1.Manifest, error) {
	names, err := r.Archives(ctx)
	if err != nil {
		return nil, err
	}
	all, err := r.Versions(ctx, names)
	if err != nil {
		return nil, err
	}
	if last := newestBelow(all, nil); last != nil {
		return last.Manifest, nil
	}
	return nil, nil
}
