package nix

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"deployer/providers"
)

// countersign adds our signature to narinfos that somebody else put there, but only to
// those that say of the path exactly what the local store says: all else would vouch for
// content that we never saw.
func (p *Publisher) countersign(ctx context.Context, l *local, storePaths []string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, storePath := range storePaths {
		group.Go(func() error {
			if err := p.addSignature(ctx, storePath, l.records[storePath]); err != nil {
				return fmt.Errorf("signing %s: %w", storePath, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// addSignature goes on until the narinfo has our signature: somebody else may add theirs at
// the same moment, and neither may be lost.
func (p *Publisher) addSignature(ctx context.Context, storePath string, mine *record) error {
	for range tries {
		info, etag, err := readNarinfo(ctx, p.o.Objects, storePath)
		if err != nil {
			return err
		}
		status := statusOf(info, p.trusted)
		if len(status.TrustedBy) > 0 {
			return nil
		}
		if err := conflict(status, mine); err != nil {
			return err
		}
		sig, err := p.key.Sign(nil, info.Fingerprint())
		if err != nil {
			return err
		}
		info.Signatures = append(info.Signatures, sig)
		err = p.putNarinfo(ctx, info, providers.PutOptions{IfMatch: etag})
		if !errors.Is(err, providers.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("lost the race against other writers %d times: %w", tries, providers.ErrConflict)
}

// conflict is the fault that the cache has another build than ours; nil when it has the same.
func conflict(cached PathStatus, mine *record) error {
	if mine.same(cached) {
		return nil
	}
	return &providers.Fault{
		Reason: CacheConflict,
		Message: fmt.Sprintf("the cache has another build of %s (signed by: %s); delete %s from the store to replace it",
			cached.StorePath, strings.Join(cached.Signatures, ", "), narinfoKey(cached.StorePath)),
	}
}

// same compares all that a signature vouches for.
func (r *record) same(p PathStatus) bool {
	return r != nil && r.narHash == p.NarHash && r.narSize == p.NarSize &&
		slices.Equal(slices.Sorted(slices.Values(r.refs)), slices.Sorted(slices.Values(p.References)))
}
