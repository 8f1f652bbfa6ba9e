package statefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"deployer/providers"
	"deployer/providers/internal/durable"
)

// keptBroken files of one name are kept for people to look at.
const keptBroken = 3

const brokenInfix = ".broken-"

// asideIfBroken moves a file that cannot be understood out of the way and makes the error
// ErrNotFound; any other error passes.
func (f *Files) asideIfBroken(name string, err error) error {
	if !errors.Is(err, errBroken) {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	aside := name + brokenInfix + f.now().UTC().Format("20060102T150405Z")
	// A file system that allows not even that must not keep the daemon from starting;
	// the next write will say what is wrong with it.
	moved := f.root.RemoveAll(aside)
	if moved == nil {
		moved = f.root.Rename(name, aside)
	}
	if moved == nil {
		moved = errors.Join(f.forgetOldBroken(name), durable.SyncDir(f.root, "."))
	}
	if moved != nil {
		return fmt.Errorf("%w; moving it aside: %w: %w", err, moved, providers.ErrNotFound)
	}
	return fmt.Errorf("%w; moved aside to %s: %w", err, aside, providers.ErrNotFound)
}

func (f *Files) forgetOldBroken(name string) error {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return err
	}
	var broken []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), name+brokenInfix) {
			broken = append(broken, e.Name())
		}
	}
	slices.Sort(broken)
	for len(broken) > keptBroken {
		if err := f.root.RemoveAll(broken[0]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		broken = broken[1:]
	}
	return nil
}
