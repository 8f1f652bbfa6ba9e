package manifest

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Init writes the first manifest: no services, generation 1, a new lineage. It never
// overwrites one that is there; that is providers.ErrConflict. Where versions are archived
// it wants EditOptions.NewLineage: the hosts obey the lineage of those, and no other.
func (r *Repository) Init(ctx context.Context, o EditOptions) (*v1.Manifest, error) {
	m := &v1.Manifest{
		Version: v1.Version, Lineage: newLineage(), Generation: 1, Services: []v1.Service{},
		UpdatedAt: r.now().UTC().Truncate(time.Second), UpdatedBy: o.By, Message: cmp.Or(o.Message, "the first manifest"),
	}
	there := &providers.Fault{
		Reason: "ManifestExists", Err: providers.ErrConflict,
		Message: "there is a manifest.json in " + r.storeName + " already, and it was left as it is; look at it with `deploy-manifest show`",
	}
	// Looked at first as well, for stores that ignore the condition. Not with Stat: S3 gives
	// no reason when it refuses one.
	switch object, err := r.objects.Get(ctx, Key, providers.GetOptions{}); {
	case err == nil:
		return nil, errors.Join(there, object.Body.Close())
	case !errors.Is(err, providers.ErrNotFound):
		return nil, err
	}
	if err := r.refuseArchives(ctx, o); err != nil {
		return nil, err
	}
	if err := r.put(ctx, Key, m, providers.PutOptions{IfAbsent: true}); errors.Is(err, providers.ErrConflict) {
		return nil, there
	} else if err != nil {
		return nil, err
	}
	return m, nil
}

func (r *Repository) refuseArchives(ctx context.Context, o EditOptions) error {
	if o.NewLineage {
		return nil
	}
	names, err := r.Archives(ctx)
	if err != nil || len(names) == 0 {
		return err
	}
	return &providers.Fault{
		Reason: "ArchivesExist",
		Message: "there are archived versions in " + r.storeName + ", so its manifest was lost and nothing was written; bring it back with " +
			bringBack + ", or begin anew, which every host has to adopt, with " + beginAnew,
	}
}

// newLineage is a random id: 16 hex digits.
func newLineage() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}
