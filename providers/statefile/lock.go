package statefile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"deployer/providers"
)

// lockFile takes the lock of the one writer and writes our pid into it, for the message
// that a second one gives. The file is never removed: a lock on a removed file locks
// nobody out.
func lockFile(dir string) (*os.File, error) {
	path := filepath.Join(dir, fileLock)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of the state directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking the state directory %s: %w", dir, err)
		}
		return nil, alreadyRunning(dir, f)
	}
	pid := []byte(strconv.Itoa(os.Getpid()) + "\n")
	if err := f.Truncate(0); err == nil {
		// A disk too full for a pid still locks.
		_, _ = f.WriteAt(pid, 0)
	}
	return f, nil
}

func alreadyRunning(dir string, f *os.File) error {
	who := "another biz-deployer"
	buf := make([]byte, 32)
	n, _ := f.ReadAt(buf, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n]))); err == nil {
		who += fmt.Sprintf(" (pid %d)", pid)
	}
	return &providers.Fault{
		Reason:  "AlreadyRunning",
		Message: fmt.Sprintf("%s has %s: there is one daemon per host; ask it with `deployerctl status`", who, dir),
		Err:     providers.ErrConflict,
	}
}
