package releases

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"

	"golang.org/x/sys/unix"

	"deployer/providers"
	"deployer/providers/internal/durable"
)

// names of services and of instances; nothing that begins with a dot, holds a slash or
// climbs. What has another name is not ours, or is not finished.
var names = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,80}$`)

func validName(s string) bool { return names.MatchString(s) }

// write opens a service's directory, making it when needed, for one change.
func (d *Directory) write(service, doing string, change func(root *os.Root) error) error {
	if !validName(service) {
		return fmt.Errorf("%s: not the name of a service", doing)
	}
	if err := d.inService(service, change); err != nil {
		return unavailable(doing, err)
	}
	return nil
}

func (d *Directory) inService(service string, change func(root *os.Root) error) error {
	parent, err := openDir(d.paths.Releases())
	if err != nil {
		return err
	}
	defer closeQuietly(parent)
	if err := makeDir(parent, service); err != nil {
		return err
	}
	root, err := parent.OpenRoot(service)
	if err != nil {
		return err
	}
	defer closeQuietly(root)
	return change(root)
}

// makeDir makes a directory that programs may pass through, in place of anything else.
func makeDir(parent *os.Root, name string) error {
	if info, err := parent.Lstat(name); err == nil && info.IsDir() {
		return nil
	} else if err == nil {
		if err := parent.Remove(name); err != nil {
			return err
		}
	}
	if err := parent.Mkdir(name, 0o755); err != nil {
		return err
	}
	if err := parent.Chmod(name, 0o755); err != nil {
		return err
	}
	return durable.SyncDir(parent, ".")
}

// openDir opens one of our base directories, making it when needed.
func openDir(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return os.OpenRoot(dir)
}

func removeBelow(dir, name string) error {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer closeQuietly(root)
	return durable.RemoveAll(root, name)
}

var errNotRegular = errors.New("not a regular file")

// readAtMost reads a small regular file, no link followed; more than most is cut.
func readAtMost(path string, most int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, errNotRegular
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errNotRegular)
	}
	return io.ReadAll(io.LimitReader(f, most))
}

func encode(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	return append(data, '\n'), err
}

// unavailable: the disk did not do what it was asked; whether it did part of it is not known.
func unavailable(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, providers.ErrUnavailable, err)
}

// closeQuietly is for handles on directories, whose close loses nothing.
func closeQuietly(root *os.Root) { _ = root.Close() }
