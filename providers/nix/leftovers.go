package nix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "deployer/api/v1"
	"deployer/providers"
)

var _ providers.Leftovers = (*Manager)(nil)

// Leftovers lists the links that a crash left between making and renaming. To Nix such a
// link is a root as any other: it keeps its closure for ever.
func (m *Manager) Leftovers(context.Context) ([]providers.Leftover, error) {
	entries, err := os.ReadDir(m.o.Paths.RootsDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("listing unfinished roots: %w", unknown(err))
	}
	var out []providers.Leftover
	for _, e := range entries {
		if service, ok := unfinishedOf(e.Name()); ok && e.Type()&fs.ModeSymlink != 0 {
			out = append(out, providers.Leftover{Service: service, Path: filepath.Join(m.o.Paths.RootsDir, e.Name())})
		}
	}
	return out, nil
}

// Clear deletes such a link.
func (m *Manager) Clear(_ context.Context, l providers.Leftover) error {
	service, ok := unfinishedOf(filepath.Base(l.Path))
	if !ok || service != l.Service || filepath.Dir(l.Path) != m.o.Paths.RootsDir {
		return fmt.Errorf("clearing %s: not an unfinished root of %s", l.Path, l.Service)
	}
	err := os.Remove(l.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("clearing %s: %w", l.Path, err)
	}
	m.facts.forget()
	return syncDir(m.o.Paths.RootsDir)
}

// unfinishedOf is the service that an unfinished link was to be a root of.
func unfinishedOf(name string) (service string, ok bool) {
	root, ok := strings.CutPrefix(name, unfinished)
	random := strings.LastIndexByte(root, '-')
	if !ok || random < 0 {
		return "", false
	}
	service, _, ok = v1.ParseRootName(root[:random])
	return service, ok
}
