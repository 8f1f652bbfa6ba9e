package nix

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// collecting reports whether a garbage collector runs. Nix's collector reads the links of
// the roots once, at its beginning, and skips those that dangle; so a root made, or a path
// fetched, during a collection may be overlooked by it. (Seen with 2.26: a pull that ended
// while the collector looked through /proc lost its closure, root and all.)
//
// When no collector runs, the next one sees the root. When one does, a running nix-store
// tells it what it uses, over a socket, and the collector keeps that: that is what
// realising a path again is good for.
func (m *Manager) collecting() bool {
	lock, err := os.Open(m.o.DiskRoot + "/nix/var/nix/gc.lock")
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		return true
	}
	// Closing gives the lock back. A collector that begins meanwhile waits that long.
	defer lock.Close()
	return unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
}

// keep tells a running collector of a path that a new root names. A path that is not valid
// yet makes it fail, and that is as well: Pull sees to it when it fetches. Should a path be
// lost all the same, the next look shows it.
func (m *Manager) keep(ctx context.Context, storePath string) {
	if !m.collecting() {
		return
	}
	_, _ = m.run(ctx, m.o.Runner, Command{
		Name: "nix-store", Args: []string{"--realise", storePath}, Timeout: m.o.QueryTimeout,
	}, m.settings(""))
}
