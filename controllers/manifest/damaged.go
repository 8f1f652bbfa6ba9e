package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// orDamaged stands in for a manifest in force that cannot be read: half of one, or none at
// all. Its lineage and generation follow from the archive, and its bytes are kept beside
// that. One that only a newer program can read is not damaged.
func (r *Repository) orDamaged(ctx context.Context, before *Snapshot, err error) (*Snapshot, error) {
	var damaged *InvalidError
	if !errors.As(err, &damaged) || v1.NeedsNewer(damaged.Err) {
		return before, err
	}
	names, listErr := r.Archives(ctx)
	if listErr != nil || len(names) == 0 {
		return nil, errors.Join(err, listErr)
	}
	last, readErr := r.ReadArchive(ctx, names[0])
	if readErr != nil {
		return nil, errors.Join(err, readErr)
	}
	// The archive's newest is the one before the lost one.
	m := &v1.Manifest{Version: v1.Version, Lineage: last.Lineage, Generation: last.Generation + 1, Services: []v1.Service{}}
	return &Snapshot{Manifest: m, Raw: damaged.Raw, ETag: damaged.ETag, Hash: m.Hash(), damaged: true}, nil
}

// keepDamaged writes the bytes of a damaged manifest beside the archive.
func (r *Repository) keepDamaged(ctx context.Context, s *Snapshot) (string, error) {
	name := "damaged-" + r.now().UTC().Format(archiveTime) + ".json"
	_, err := r.objects.Put(ctx, archivePrefix+name, bytes.NewReader(s.Raw), providers.PutOptions{IfAbsent: true})
	if err != nil && !errors.Is(err, providers.ErrConflict) {
		return "", fmt.Errorf("keeping the damaged manifest: %w", err)
	}
	return name, nil
}
