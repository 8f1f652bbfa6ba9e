package manifest

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

const (
	claimPrefix = "manifests/.claims/"
	// claimAge is when a claim is that of a writer who died.
	claimAge = 30 * time.Second
	cleanup  = 10 * time.Second
)

// claim keeps writers apart where the store ignores conditions. Each first writes what it
// is about to write as a claim, and then looks at all claims: of two writers at least one
// sees the other, and who sees another gives way and tries again. The claim of a writer
// who was killed stays with its content, so that nothing is lost, and stops nobody for
// longer than claimAge. Call the release when the manifest is written.
func (r *Repository) claim(ctx context.Context, before *Snapshot, after *v1.Manifest) (release func(), err error) {
	key := claimPrefix + rand.Text() + ".json"
	// A context of its own: a claim that an interrupted writer leaves would stop the next one.
	release = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
		defer cancel()
		_ = r.objects.Delete(ctx, key)
	}
	if err := r.put(ctx, key, after, providers.PutOptions{}); err != nil {
		release()
		return nil, err
	}
	if err := r.alone(ctx, key, before); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// alone: no other claim that is young by the store's own clock, and the manifest is still
// the one that was edited.
func (r *Repository) alone(ctx context.Context, key string, before *Snapshot) error {
	claims, err := r.objects.List(ctx, claimPrefix)
	if err != nil {
		return fmt.Errorf("looking for other writers: %w", err)
	}
	var newest time.Time
	for _, c := range claims {
		if c.ModifiedAt.After(newest) {
			newest = c.ModifiedAt
		}
	}
	for _, c := range claims {
		if c.Key != key && newest.Sub(c.ModifiedAt) < claimAge {
			return fmt.Errorf("writing %s: another writer is at it: %w", Key, providers.ErrConflict)
		}
	}
	now, err := r.Read(ctx)
	if before.standsIn() {
		now, err = r.orStandIn(ctx, now, err)
	}
	if err != nil {
		return err
	}
	if now.Hash != before.Hash {
		return fmt.Errorf("writing %s: another writer was faster: %w", Key, providers.ErrConflict)
	}
	return nil
}
