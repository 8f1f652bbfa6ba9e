package nix

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"deployer/providers"
)

// rootName keeps a root one plain file in its directory; a leading dot is for links that
// are being made.
var rootName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)

const unfinished = ".new-"

// Roots lists our roots: name to store path, dangling ones included. What is not a link
// to a store path under a name that Root accepts is not ours.
func (m *Manager) Roots(context.Context) (map[string]string, error) {
	dir := m.o.Paths.RootsDir
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return map[string]string{}, nil
	case err != nil:
		return nil, fmt.Errorf("listing roots: %w", unknown(err))
	}
	roots := make(map[string]string, len(entries))
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink == 0 || !rootName.MatchString(e.Name()) {
			continue
		}
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("reading root %s: %w", e.Name(), unknown(err))
		}
		if checkPath(target) == nil {
			roots[e.Name()] = target
		}
	}
	return roots, nil
}

// RootTarget is what a root of ours points to; ErrNotFound when there is no such root.
// A target that somebody put there by hand is given as it is, so that Root puts it right.
func (m *Manager) RootTarget(_ context.Context, name string) (string, error) {
	if err := m.checkRoot(name); err != nil {
		return "", err
	}
	target, err := os.Readlink(filepath.Join(m.o.Paths.RootsDir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("reading root %s: %w", name, providers.ErrNotFound)
	case err != nil:
		return "", fmt.Errorf("reading root %s: %w", name, unknown(err))
	}
	return target, nil
}

// Root makes the link beside and renames it, so that no collector ever sees a moment
// without it. The path need not exist: Nix keeps a dangling root, and keeps what it names
// from the moment that it is valid.
func (m *Manager) Root(ctx context.Context, name, storePath string) error {
	if err := m.checkRoot(name); err != nil {
		return err
	}
	if err := checkPath(storePath); err != nil {
		return fmt.Errorf("rooting %s: %w", name, err)
	}
	dir := m.o.Paths.RootsDir
	link := filepath.Join(dir, name)
	if target, err := os.Readlink(link); err == nil && target == storePath {
		return nil
	}
	if err := m.makeRootsDir(); err != nil {
		return err
	}
	m.sweepUnfinished(name)
	temp := filepath.Join(dir, unfinished+name+"-"+strings.ToLower(rand.Text()[:8]))
	if err := os.Symlink(storePath, temp); err != nil {
		return fmt.Errorf("rooting %s: %w", name, err)
	}
	if err := os.Rename(temp, link); err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("rooting %s: %w", name, err)
	}
	m.keep(ctx, storePath)
	return syncDir(dir)
}

// Unroot removes a root; an absent one is not an error.
func (m *Manager) Unroot(_ context.Context, name string) error {
	if err := m.checkRoot(name); err != nil {
		return err
	}
	err := os.Remove(filepath.Join(m.o.Paths.RootsDir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("removing root %s: %w", name, err)
	}
	m.facts.forget()
	return syncDir(m.o.Paths.RootsDir)
}

// checkRoot refuses names that could leave the directory, and files that are not ours.
func (m *Manager) checkRoot(name string) error {
	if !rootName.MatchString(name) {
		return fmt.Errorf("root name %q is not letters, digits, dots, dashes and underscores", name)
	}
	info, err := os.Lstat(filepath.Join(m.o.Paths.RootsDir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("looking at root %s: %w", name, err)
	case info.Mode()&fs.ModeSymlink == 0:
		return fmt.Errorf("root %s in %s is not a link, so it is not ours: %w", name, m.o.Paths.RootsDir, providers.ErrConflict)
	}
	return nil
}

// makeRootsDir makes the last directory only: without Nix's own directory above it a root
// would protect nothing.
func (m *Manager) makeRootsDir() error {
	err := os.Mkdir(m.o.Paths.RootsDir, 0o755)
	switch {
	case err == nil:
		// Mkdir obeys the umask, and people look at their roots.
		return os.Chmod(m.o.Paths.RootsDir, 0o755)
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return &providers.Fault{
			Reason:  NixUnavailable,
			Message: fmt.Sprintf("there is no %s on this host: install Nix", filepath.Dir(m.o.Paths.RootsDir)),
			Err:     err,
		}
	}
	return fmt.Errorf("making the directory of roots: %w", err)
}

// sweepUnfinished removes links that a crash left between making and renaming.
func (m *Manager) sweepUnfinished(name string) {
	left, _ := filepath.Glob(filepath.Join(m.o.Paths.RootsDir, unfinished+name+"-*"))
	for _, l := range left {
		_ = os.Remove(l)
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}
