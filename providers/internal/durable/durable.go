// Package durable writes files so that a reader, a crash or a full disk never meets half
// of one: a temporary file beside it, fsync, one rename, and an fsync of the directory,
// without which the rename itself may be lost.
//
// All names are below an *os.Root, which no symlink and no ".." leaves. The temporary
// name is fixed, so a crash leaves at most one, which the next write takes over; in
// return a file must have one writer at a time, or each a temporary name of its own.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// tempPrefix begins the names of what is not finished. No name of ours begins with a dot.
const tempPrefix = ".tmp-"

// Temp is the name under which something is prepared, in the same directory.
func Temp(name string) string { return path.Join(path.Dir(name), tempPrefix+path.Base(name)) }

// IsTemp reports whether the name is of something unfinished.
func IsTemp(name string) bool { return strings.HasPrefix(path.Base(name), tempPrefix) }

// Meant is the name that something unfinished was to get: Temp the other way round.
func Meant(name string) string {
	return path.Join(path.Dir(name), strings.TrimPrefix(path.Base(name), tempPrefix))
}

// WriteFile replaces a file whole or leaves it as it was. The mode is exact, whatever the
// umask; the content is never readable with a wider one.
func WriteFile(root *os.Root, name string, data []byte, mode fs.FileMode) error {
	return WriteFileVia(root, Temp(name), name, data, mode)
}

// WriteFileVia is WriteFile for a second writer of the same file, which has a temporary
// name of its own: each of them replaces the file whole, and the last one wins.
func WriteFileVia(root *os.Root, temp, name string, data []byte, mode fs.FileMode) error {
	if err := writeSynced(root, temp, data, mode); err != nil {
		return errors.Join(err, absentIsFine(root.RemoveAll(temp)))
	}
	return replace(root, temp, name)
}

// Create writes a file that must not exist; fs.ErrExist when somebody was faster.
func Create(root *os.Root, name string, data []byte, mode fs.FileMode) error {
	temp := Temp(name)
	err := writeSynced(root, temp, data, mode)
	if err == nil {
		err = root.Link(temp, name)
	}
	if err = errors.Join(err, absentIsFine(root.Remove(temp))); err != nil {
		return err
	}
	return SyncDir(root, path.Dir(name))
}

// Symlink points a link to the target, which need not exist, by one rename.
func Symlink(root *os.Root, target, name string) error {
	temp := Temp(name)
	if err := absentIsFine(root.RemoveAll(temp)); err != nil {
		return err
	}
	if err := root.Symlink(target, temp); err != nil {
		return err
	}
	return replace(root, temp, name)
}

// Fill writes a new file and its bytes to the disk, with no rename: for a directory that
// is renamed as a whole. The caller syncs the directory.
func Fill(root *os.Root, name string, data []byte, mode fs.FileMode) error {
	return writeSynced(root, name, data, mode)
}

// SyncDir makes renames and removals in a directory durable.
func SyncDir(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// RemoveAll deletes a file or a directory, durably. An absent one is not an error.
func RemoveAll(root *os.Root, name string) error {
	if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := root.RemoveAll(name); err != nil {
		return err
	}
	return SyncDir(root, path.Dir(name))
}

// replace renames over whatever is there; only a directory has to go first.
func replace(root *os.Root, temp, name string) error {
	err := root.Rename(temp, name)
	if errors.Is(err, syscall.EISDIR) || errors.Is(err, fs.ErrExist) {
		if err = root.RemoveAll(name); err == nil {
			err = root.Rename(temp, name)
		}
	}
	if err != nil {
		return errors.Join(err, absentIsFine(root.RemoveAll(temp)))
	}
	return SyncDir(root, path.Dir(name))
}

func writeSynced(root *os.Root, name string, data []byte, mode fs.FileMode) error {
	// What a crash left may be a link or have a wider mode: never write into it.
	if err := absentIsFine(root.RemoveAll(name)); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func absentIsFine(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
