package env

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroup is a directory of the unified hierarchy. Every process of a lab lives in the lab's, so
// that none can get away and one write ends them all.
type cgroup string

// cgroupRoot finds the unified hierarchy: at its usual place, or beside v1 ones ("hybrid"), where
// it has no controllers but serves systemd well enough.
func cgroupRoot() (cgroup, error) {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var stat unix.Statfs_t
		if unix.Statfs(dir, &stat) != nil || stat.Type != unix.CGROUP2_SUPER_MAGIC {
			continue
		}
		if unix.Access(dir, unix.W_OK) != nil || stat.Flags&unix.ST_RDONLY != 0 {
			return "", fmt.Errorf("the cgroup hierarchy %s is read-only: run on the machine itself or in a container that may make cgroups", dir)
		}
		return cgroup(dir).child("deployer.testhost"), nil
	}
	return "", errors.New("no cgroup v2 hierarchy at /sys/fs/cgroup or /sys/fs/cgroup/unified: mount one (mount -t cgroup2 none /sys/fs/cgroup/unified)")
}

func (c cgroup) child(name string) cgroup { return cgroup(filepath.Join(string(c), name)) }

// create makes the directory and hands the controllers of every level above to it, where there
// are any: a host without them boots too, but enforces no limits.
func (c cgroup) create() error {
	if err := os.MkdirAll(string(c), 0o755); err != nil {
		return fmt.Errorf("making a cgroup: %w", err)
	}
	root, err := cgroupRoot()
	if err != nil {
		return err
	}
	for dir := filepath.Dir(string(c)); strings.HasPrefix(dir, filepath.Dir(string(root))); dir = filepath.Dir(dir) {
		defer enableControllers(dir) // deferred, and so run from the top down
	}
	return nil
}

func enableControllers(dir string) {
	available, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	for _, name := range strings.Fields(string(available)) {
		// One at a time and by best effort: a controller that is refused keeps no other away.
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+name), 0o644)
	}
}

// pids lists every process in c and below it.
func (c cgroup) pids() []int {
	var pids []int
	_ = filepath.WalkDir(string(c), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir // cgroups vanish while one looks
		}
		if !d.IsDir() {
			return nil
		}
		data, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for _, field := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// kill ends every process in c and below it at once, as a power cut would, and waits until the
// last is gone.
func (c cgroup) kill() error {
	if _, err := os.Stat(string(c)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err := os.WriteFile(filepath.Join(string(c), "cgroup.kill"), []byte("1"), 0o644); err != nil {
			return fmt.Errorf("killing the processes of %s: %w", c, err)
		}
		if len(c.pids()) == 0 {
			return nil
		}
	}
	return fmt.Errorf("killing the processes of %s: %v are still there", c, c.pids())
}

// end kills what is in c and removes it. A cgroup that was killed once must not be used again:
// Linux 6.18 kills whatever is later cloned into it.
func (c cgroup) end() error {
	if err := c.kill(); err != nil {
		return err
	}
	return c.remove()
}

// remove takes the emptied directories away, the deepest first.
func (c cgroup) remove() error {
	var dirs []string
	_ = filepath.WalkDir(string(c), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := rmdirBusy(dirs[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a cgroup: %w", err)
		}
	}
	return nil
}

// rmdirBusy retries for a moment: a cgroup stays busy until its last process is reaped.
func rmdirBusy(dir string) error {
	for tries := 0; ; tries++ {
		err := unix.Rmdir(dir)
		if !errors.Is(err, unix.EBUSY) || tries == 200 {
			if err != nil {
				return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
			}
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// isInit says whether pid is the first process of a PID namespace, and so a host's systemd.
func isInit(pid int) bool {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if ids, ok := strings.CutPrefix(lines.Text(), "NSpid:"); ok {
			fields := strings.Fields(ids)
			return len(fields) > 1 && fields[len(fields)-1] == "1"
		}
	}
	return false
}
