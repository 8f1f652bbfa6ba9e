package env

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Reap takes down the labs whose owners are dead, as NewLab does first.
func Reap(ctx context.Context) error {
	unlock, err := lockState()
	if err != nil {
		return err
	}
	defer unlock()
	return reap(ctx)
}

func reap(ctx context.Context) error {
	names, err := labNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		var record labRecord
		err := readRecord(filepath.Join(stateRoot, name, "lab.json"), &record)
		if err == nil && record.Boot == bootID() && (record.Owner == nil || record.Owner.alive()) {
			continue
		}
		if err != nil {
			// Only the name is left; the network goes with its namespaces.
			record = labRecord{Name: name, Network: -1}
		}
		lab, err := newLab(record)
		if err != nil {
			return err
		}
		if err := lab.destroy(ctx); err != nil {
			return fmt.Errorf("taking down what is left of lab %s: %w", name, err)
		}
	}
	return nil
}

// destroy removes all that a lab may have left, whatever state it is in. It goes by names and
// prefixes, not by what this process remembers, for it also runs after crashes.
func (l *Lab) destroy(ctx context.Context) error {
	if err := l.cgroup.end(); err != nil {
		return err
	}
	errs := []error{l.removeNetwork(ctx), unmountBelow(l.diskDir()), removeMachineFiles(l.net.namespace("") + "*")}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(l.diskDir()), os.RemoveAll(l.stateDir()))
}

func (l *Lab) removeNetwork(ctx context.Context) error {
	var errs []error
	// A link vanishes with the namespace that holds its other end, but a moment later.
	links, _ := filepath.Glob("/sys/class/net/" + l.net.bridge() + "-*")
	for _, link := range links {
		errs = append(errs, run(ctx, "ip", "link", "del", filepath.Base(link)))
	}
	namespaces, _ := filepath.Glob(namespacePath(l.net.namespace("")) + "*")
	for _, path := range namespaces {
		errs = append(errs, run(ctx, "ip", "netns", "del", filepath.Base(path)))
	}
	return errors.Join(append(errs, l.net.down(ctx))...)
}

// unmountBelow detaches every mount at dir and below it, the innermost first, and removes the
// lock that a killed systemd-nspawn left on it, which is named after its inode.
func unmountBelow(dir string) error {
	mounts, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	for _, mount := range slices.Backward(mounts) {
		var stat unix.Stat_t
		if unix.Stat(mount, &stat) == nil {
			_ = os.Remove(fmt.Sprintf("/run/systemd/nspawn/locks/inode-%d:%d", stat.Dev, stat.Ino))
		}
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmounting %s: %w", mount, err)
		}
	}
	return nil
}

// mountsBelow lists the mounts at dir and below it in the order in which they were made.
func mountsBelow(dir string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("reading the mounts: %w", err)
	}
	var mounts []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4]+"/", dir+"/") {
			mounts = append(mounts, fields[4])
		}
	}
	return mounts, nil
}

// removeMachineFiles removes what systemd-nspawn leaves when it is killed, or when /run is not a
// tmpfs of its own.
func removeMachineFiles(pattern string) error {
	var errs []error
	for _, dir := range []string{"propagate", "unix-export"} {
		paths, _ := filepath.Glob(filepath.Join("/run/systemd/nspawn", dir, pattern))
		for _, path := range paths {
			_ = unix.Unmount(path, unix.MNT_DETACH)
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}
