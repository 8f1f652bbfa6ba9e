package nix

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/nix-community/go-nix/pkg/narinfo/signature"

	"deployer/providers"
)

// countersign adds our signature to narinfos that somebody else put there, but only to
// those that say of the path exactly what the local store says: all else would vouch for
// content that we never saw.
func (p *Publisher) countersign(ctx context.Context, storePaths []string) error {
	secret, err := os.ReadFile(p.o.KeyFile)
	if err != nil {
		return fmt.Errorf("reading the signing key: %w", err)
	}
	key, err := parseSecretKey(string(secret))
	if err != nil {
		return err
	}
	local, err := p.local(ctx, storePaths)
	if err != nil {
		return err
	}
	for _, storePath := range storePaths {
		if err := p.sign(ctx, storePath, key, local[storePath]); err != nil {
			return err
		}
	}
	return nil
}

// local is what this machine's own Nix has of the paths.
func (p *Publisher) local(ctx context.Context, storePaths []string) (map[string]*record, error) {
	records := map[string]*record{}
	for part := range slices.Chunk(storePaths, batch) {
		dump, err := p.ask(ctx, append([]string{"--dump-db"}, part...)...)
		if err != nil {
			return nil, err
		}
		if err := parseDump(dump, records); err != nil {
			return nil, fmt.Errorf("asking the local nix database: %w", err)
		}
	}
	return records, nil
}

func (p *Publisher) sign(ctx context.Context, storePath string, key signature.SecretKey, mine *record) error {
	info, err := readNarinfo(ctx, p.o.Objects, storePath)
	if err != nil {
		return err
	}
	if cached := statusOf(info, nil); !mine.same(cached) {
		return &providers.Fault{
			Reason: CacheConflict,
			Message: fmt.Sprintf("the cache has another build of %s (signed by: %s); delete %s from the store to replace it",
				storePath, strings.Join(cached.Signatures, ", "), narinfoKey(storePath)),
		}
	}
	sig, err := key.Sign(nil, info.Fingerprint())
	if err != nil {
		return fmt.Errorf("signing %s: %w", storePath, err)
	}
	info.Signatures = append(info.Signatures, sig)
	text := bytes.NewReader([]byte(info.String()))
	if _, err := p.o.Objects.Put(ctx, narinfoKey(storePath), text, providers.PutOptions{ContentType: contentType(narinfoKey(storePath))}); err != nil {
		return fmt.Errorf("signing %s: %w", storePath, err)
	}
	return nil
}

// same compares all that a signature vouches for.
func (r *record) same(p PathStatus) bool {
	return r != nil && r.narHash == p.NarHash && r.narSize == p.NarSize &&
		slices.Equal(slices.Sorted(slices.Values(r.refs)), slices.Sorted(slices.Values(p.References)))
}
