package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"deployer/providers"
)

// keepDamaged writes the bytes of a damaged manifest beside the archive.
func (r *Repository) keepDamaged(ctx context.Context, s *Snapshot) (string, error) {
	name := "damaged-" + r.now().UTC().Format(archiveTime) + ".json"
	_, err := r.objects.Put(ctx, archivePrefix+name, bytes.NewReader(s.Raw), providers.PutOptions{IfAbsent: true})
	if err != nil && !errors.Is(err, providers.ErrConflict) {
		return "", fmt.Errorf("keeping the damaged manifest: %w", err)
	}
	return name, nil
}
