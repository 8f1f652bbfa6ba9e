package nix

import (
	"context"
	"crypto/sha256"
)

// Known is what the Nix database has of a path.
type Known struct {
	NarHash string
	NarSize int64
	Refs    []string
}

// AskDaemon asks nix-daemon and nobody else.
func (m *Manager) AskDaemon(ctx context.Context, storePaths ...string) (map[string]Known, error) {
	records := map[string]*record{}
	err := m.askDaemon(ctx, storePaths, records)
	return known(records), err
}

// AskCommands asks as Options.Queries says.
func (m *Manager) AskCommands(ctx context.Context, storePaths ...string) (map[string]Known, error) {
	records := map[string]*record{}
	err := m.query(ctx, storePaths, records)
	return known(records), err
}

func known(records map[string]*record) map[string]Known {
	out := map[string]Known{}
	for p, r := range records {
		out[p] = Known{NarHash: r.narHash, NarSize: r.narSize, Refs: r.refs}
	}
	return out
}

// HashOf is the hash of the NAR of these files.
func HashOf(path string) []byte {
	sum := sha256.New()
	if err := writeNar(sum, path); err != nil {
		panic(err)
	}
	return sum.Sum(nil)
}
