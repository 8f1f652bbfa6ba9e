package nix

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/nix-community/go-nix/pkg/narinfo"

	"deployer/providers"
)

// Repair fetches a path again. Nix deletes it first, and only then learns what the cache
// has, so the cache's copy is read beforehand.
func (m *Manager) Repair(ctx context.Context, storePath string) error {
	if err := checkPath(storePath); err != nil {
		return fmt.Errorf("repairing: %w", err)
	}
	return m.inTurn(ctx, storePath, func(ctx context.Context) error {
		if err := m.proveCopy(ctx, storePath); err != nil {
			return err
		}
		defer m.facts.forget()
		return m.repair(ctx, []string{storePath})
	})
}

// repair fetches paths again that are valid and not on disk as they should be. Each on its
// own: Nix repairs exactly the path that it is given, and not what it needs.
func (m *Manager) repair(ctx context.Context, paths []string) error {
	for _, p := range paths {
		status, err := m.copyOf(ctx, p)
		if err != nil {
			return err
		}
		if err := m.room(ctx, p, []PathStatus{status}); err != nil {
			return err
		}
		_, err = m.throughGateway(ctx, p, "--repair-path", p)
		if providers.ReasonOf(err) == DiskFull {
			return m.gotFull(ctx, p, []PathStatus{status}, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyOf is what the cache has of a path, if that is what this host would take.
func (m *Manager) copyOf(ctx context.Context, storePath string) (PathStatus, error) {
	status, err := m.cache.status(ctx, storePath)
	if err != nil {
		return status, m.storeFault(storePath, err)
	}
	return status, explainCache(storePath, []PathStatus{status}, m.keyNames())
}

// proveCopy reads the cache's copy to its end, and compares its hash. A narinfo without a
// hash of the file, which foreign caches may have, leaves that it can be read to its end.
func (m *Manager) proveCopy(ctx context.Context, storePath string) error {
	if _, err := m.copyOf(ctx, storePath); err != nil {
		return err
	}
	info, _, err := readNarinfo(ctx, m.cache.objects, storePath)
	if err != nil {
		return m.storeFault(storePath, err)
	}
	object, err := m.cache.objects.Get(ctx, info.URL, providers.GetOptions{})
	if err != nil {
		return m.storeFault(storePath, err)
	}
	defer object.Body.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, object.Body)
	if err != nil {
		return m.storeFault(storePath, err)
	}
	if !isFile(info, n, sum) {
		return &providers.Fault{Reason: NarCorrupt, Message: "the cache's copy of " + storePath + " is damaged, too: push it again"}
	}
	return nil
}

func isFile(info *narinfo.NarInfo, size int64, sum hash.Hash) bool {
	if info.FileSize != 0 && info.FileSize != uint64(size) { //nolint:gosec // a size is not negative
		return false
	}
	return info.FileHash == nil || string(info.FileHash.Digest()) == string(sum.Sum(nil))
}
