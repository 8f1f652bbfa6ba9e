package statefile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Reader reads what a daemon wrote, also while it runs, and changes nothing: it is what
// `deployerctl status` uses when the daemon is down.
type Reader struct{ dir string }

// NewReader needs no lock.
func NewReader(paths providers.Paths) *Reader { return &Reader{dir: paths.StateDir} }

// errBroken: the file is there, and is not what we write.
var errBroken = errors.New("not what this program writes")

// LoadState gives the last state; fields of a newer version are passed over. ErrNotFound
// when there is none.
func (r Reader) LoadState(context.Context) (v1.HostState, error) {
	var s v1.HostState
	if err := r.decode(fileState, &s); err != nil {
		return v1.HostState{}, err
	}
	if s.Kind != v1.KindHostState {
		return v1.HostState{}, fmt.Errorf("reading %s: its kind is not %s: %w", fileState, v1.KindHostState, errBroken)
	}
	return s, nil
}

// LoadManifest gives the last valid manifest, as the store had it. ErrNotFound when there
// is none.
func (r Reader) LoadManifest(context.Context) ([]byte, error) {
	data, err := r.read(fileManifest)
	if err == nil && len(data) == 0 {
		return nil, fmt.Errorf("reading %s: it is empty: %w", fileManifest, errBroken)
	}
	return data, err
}

// Floor is the highest generation that the daemon has seen; the zero Floor when none was.
func (r Reader) Floor(context.Context) (providers.Floor, error) {
	var floor providers.Floor
	err := r.decode(fileFloor, &floor)
	if errors.Is(err, providers.ErrNotFound) {
		return providers.Floor{}, nil
	}
	return floor, err
}

// HostName is the name that the daemon pinned, or current when it pinned none.
func (r Reader) HostName(_ context.Context, current string) (string, error) {
	data, err := r.read(fileHostName)
	name := strings.TrimSuffix(string(data), "\n")
	switch {
	case errors.Is(err, providers.ErrNotFound):
		return current, nil
	case err == nil && !plain(name):
		err = fmt.Errorf("reading %s: %w", fileHostName, errBroken)
	}
	return name, err
}

func (r Reader) decode(name string, v any) error {
	data, err := r.read(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("reading %s: %w: %w", name, errBroken, err)
	}
	return nil
}

// read gives a whole file. What is no regular file, far too long, or on a part of the
// disk that cannot be read, is broken; what could not be opened for another reason may
// be readable in a moment, and is ErrUnavailable.
func (r Reader) read(name string) ([]byte, error) {
	const most = 64 << 20
	doing := "reading " + name
	f, err := os.OpenFile(filepath.Join(r.dir, name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", doing, providers.ErrNotFound)
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("%s: %w", doing, errBroken)
	case err != nil:
		return nil, unavailable(doing, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, unavailable(doing, err)
	case !info.Mode().IsRegular() || info.Size() > most:
		return nil, fmt.Errorf("%s: %w", doing, errBroken)
	}
	data, err := io.ReadAll(io.LimitReader(f, most))
	switch {
	case errors.Is(err, unix.EIO):
		return nil, fmt.Errorf("%s: %w: %w", doing, errBroken, err)
	case err != nil:
		return nil, unavailable(doing, err)
	}
	return data, nil
}
