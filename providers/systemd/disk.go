package systemd

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"deployer/providers"
)

// settled is how long a directory or file must have been left alone before its time stamp
// is trusted: the kernel's stamps are as coarse as its clock ticks.
const settled = 100 * time.Millisecond

// nullDevice is what a mask points to.
const nullDevice = "/dev/null"

// disk reads unit files and directories and remembers what it read for as long as the
// time stamps stay: looking at 1,000 units costs 1,000 stats.
type disk struct {
	paths providers.Paths
	now   func() time.Time

	mu    sync.Mutex
	dirs  map[string]*dirState
	files map[string]fileState
}

func newDisk(p providers.Paths, now func() time.Time) *disk {
	return &disk{paths: p, now: now, dirs: map[string]*dirState{}, files: map[string]fileState{}}
}

// stamp changes when a file or the list of a directory changes.
type stamp struct {
	inode, device uint64
	size          int64
	mtime, ctime  syscall.Timespec
}

// changed is when that was; unlike the time of the content nobody can set it.
func (s stamp) changed() time.Time { return time.Unix(s.ctime.Sec, s.ctime.Nsec) }

func (s stamp) older(than time.Time) bool { return s.changed().Before(than) }

// stampOf gives the zero stamp for what is absent. It does not follow a link.
func stampOf(path string) (stamp, error) {
	var st syscall.Stat_t
	err := syscall.Lstat(path, &st)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return stamp{}, nil
	case err != nil:
		return stamp{}, fmt.Errorf("looking at %s: %w", path, err)
	}
	return stamp{inode: st.Ino, device: st.Dev, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}, nil
}

// dirState is the list of a directory.
type dirState struct {
	path   string
	stamp  stamp
	stable bool
	// names, with whether each is a link.
	names map[string]bool

	mu      sync.Mutex
	targets map[string]string
}

// has reports whether there is an entry, and the target of one that is a link.
func (s *dirState) has(name string) (target string, found bool, err error) {
	isLink, found := s.names[name]
	if !found || !isLink {
		return "", found, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if target, known := s.targets[name]; known {
		return target, true, nil
	}
	target, err = os.Readlink(filepath.Join(s.path, name))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("reading a unit's link: %w", err)
	}
	s.targets[name] = target
	return target, true, nil
}

// tree is the directories of one listing.
type tree map[string]*dirState

// read lists the directories, those anew that changed.
func (d *disk) read(paths []string) (tree, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(tree, len(paths))
	for _, path := range paths {
		s, err := d.dir(path)
		if err != nil {
			return nil, err
		}
		out[path] = s
	}
	return out, nil
}

// dir lists one directory; an absent one is empty.
func (d *disk) dir(path string) (*dirState, error) {
	now, err := stampOf(path)
	if err != nil {
		return nil, err
	}
	if known, ok := d.dirs[path]; ok && known.stable && known.stamp == now {
		return known, nil
	}
	s := &dirState{
		path: path, stamp: now, stable: now.older(d.now().Add(-settled)),
		names: map[string]bool{}, targets: map[string]string{},
	}
	list, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing units: %w", err)
	}
	for _, e := range list {
		s.names[e.Name()] = e.Type()&fs.ModeSymlink != 0
	}
	d.dirs[path] = s
	return s, nil
}

// fileState is a regular file's content as far as it matters.
type fileState struct {
	stamp  stamp
	stable bool
	found  bool
	sum    [sha256.Size]byte
	// marked and sealed: it has our mark, and is just as some version of us wrote it.
	marked, sealed bool
}

// file reads a file; an absent one, and one that is not a regular file, is not found.
func (d *disk) file(path, unit string) (fileState, error) {
	now, err := stampOf(path)
	if err != nil || now == (stamp{}) {
		return fileState{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.files[path]; ok && known.stable && known.stamp == now {
		return known, nil
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return fileState{}, nil
	}
	if err != nil {
		return fileState{}, fmt.Errorf("looking at a unit: %w", err)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fileState{}, nil
	}
	if err != nil {
		return fileState{}, fmt.Errorf("reading a unit: %w", err)
	}
	state := fileState{
		stamp: now, stable: now.older(d.now().Add(-settled)), found: true,
		sum: sha256.Sum256(data), marked: hasMark(data, unit), sealed: sealed(data),
	}
	d.files[path] = state
	return state, nil
}

func (d *disk) text(unit string) string   { return filepath.Join(d.paths.Services(), unit) }
func (d *disk) link(unit string) string   { return filepath.Join(d.paths.UnitDir, unit) }
func (d *disk) wants() string             { return filepath.Join(d.paths.UnitDir, wantsDir) }
func (d *disk) wanted(unit string) string { return filepath.Join(d.wants(), unit) }

const wantsDir = "multi-user.target.wants"

// HandDirs are the directories to which people and systemctl write units, links and
// drop-ins; what enables a unit is among them.
func HandDirs(p providers.Paths) []string {
	return []string{
		p.UnitDir, filepath.Join(p.UnitDir, wantsDir),
		"/etc/systemd/system", "/etc/systemd/system.control", "/run/systemd/system", "/run/systemd/system.control",
	}
}

// byHand reports whether people and `systemctl edit` write to a directory: what is below
// /usr comes with packages, generators and transient units have others as masters.
func (d *disk) byHand(dir string) bool {
	switch {
	case dir == d.paths.UnitDir, strings.HasPrefix(dir, "/etc/"):
		return true
	}
	switch dir {
	case "/run/systemd/system", "/run/systemd/system.control":
		return true
	}
	return false
}
