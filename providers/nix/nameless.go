package nix

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// nameless is a temporary file without a name, so that a process that is killed at any
// moment leaves nothing behind. Where the file system has no such files, its name is taken
// away at once.
func nameless() (*os.File, error) {
	dir := os.TempDir()
	file, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) {
		return file, err
	}
	return unnamed(dir)
}

// unnamed is a file whose name is taken away: only a kill between the two leaves it behind.
func unnamed(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "deployer-nar-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
