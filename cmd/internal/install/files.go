package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// directory makes sure that a directory is there, root's, and closed to other writers. One
// that somebody opened to readers, or closed to them, stays so unless open is asked for.
func (i *installer) directory(path string, mode fs.FileMode) error {
	info, err := os.Stat(i.path(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		i.say(Made, path, modeText(mode))
		if i.DryRun {
			return nil
		}
		// MkdirAll obeys the umask.
		return errors.Join(os.MkdirAll(i.path(path), mode), os.Chmod(i.path(path), mode))
	case err != nil:
		return fmt.Errorf("looking at a directory: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory: move it away", path)
	}
	return i.putRight(path, info, info.Mode().Perm()&^0o022|mode)
}

// putRight corrects owner and mode.
func (i *installer) putRight(path string, info fs.FileInfo, mode fs.FileMode) error {
	var wrong []string
	if have := info.Mode().Perm(); have != mode {
		wrong = append(wrong, fmt.Sprintf("mode %04o → %04o", have, mode))
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		wrong = append(wrong, fmt.Sprintf("owner %d → root", stat.Uid))
	}
	if len(wrong) == 0 {
		i.say(OK, path, "")
		return nil
	}
	i.say(Changed, path, strings.Join(wrong, ", "))
	if i.DryRun {
		return nil
	}
	return errors.Join(os.Chmod(i.path(path), mode), os.Chown(i.path(path), os.Geteuid(), os.Getegid()))
}

// file makes sure that a file has that content, and reports whether it was written. One
// that differs and is not as an earlier run left it is somebody's.
func (i *installer) file(path string, data []byte) (wrote bool, err error) {
	have, err := os.ReadFile(i.path(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		i.say(Made, path, "")
		return true, i.write(path, data, openFile)
	case err != nil:
		return false, fmt.Errorf("looking at a file: %w", err)
	case bytes.Equal(have, data):
		info, err := os.Stat(i.path(path))
		if err != nil {
			return false, fmt.Errorf("looking at a file: %w", err)
		}
		return false, errors.Join(i.putRight(path, info, openFile), i.remember(path, data))
	case i.record[path] == hashOf(have):
		i.say(Changed, path, "an earlier install wrote the old one")
		return true, i.write(path, data, openFile)
	case !i.Force:
		i.say(Kept, path, "it differs, and is not as an earlier install left it; --force replaces it and keeps it beside, as .bak")
		return false, nil
	}
	return true, i.replace(path, data)
}

// replace writes a file over somebody's, keeping that one.
func (i *installer) replace(path string, data []byte) error {
	backup, err := i.backup(path)
	if err != nil {
		return err
	}
	i.say(Changed, path, "what was there is kept as "+backup)
	return i.write(path, data, openFile)
}

// backup moves nothing: the old file stays until the new one takes its place at once.
func (i *installer) backup(path string) (name string, err error) {
	name = path + ".bak"
	if i.exists(name) {
		name += "-" + time.Now().UTC().Format("20060102T150405Z")
	}
	if i.DryRun {
		return name, nil
	}
	data, err := os.ReadFile(i.path(path))
	if err == nil {
		err = renameio.WriteFile(i.path(name), data, 0o600, renameio.WithStaticPermissions(0o600))
	}
	if err != nil {
		return name, fmt.Errorf("keeping a copy: %w", err)
	}
	return name, nil
}

func (i *installer) write(path string, data []byte, mode fs.FileMode) error {
	if i.DryRun {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(i.path(path)), openDir)
	if err == nil {
		err = renameio.WriteFile(i.path(path), data, mode, renameio.WithStaticPermissions(mode))
	}
	if err != nil {
		return fmt.Errorf("installing: %w", err)
	}
	return i.remember(path, data)
}

func modeText(mode fs.FileMode) string { return fmt.Sprintf("mode %04o", mode) }
