package env

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Command is a command to run as root on a host, in /root with a clean environment.
type Command struct {
	Args []string
	// Env adds to or overrides PATH, HOME, USER, LANG; entries are NAME=value.
	Env    []string
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

// ErrOff means that the host is not running.
var ErrOff = errors.New("the host is off")

// Exec runs a command as root on the host and returns what it printed. A failure's text holds
// both outputs; errors.As with *exec.ExitError gives the exit code. When ctx ends, the command
// is killed with everything it started.
func (h *Host) Exec(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	err = h.Run(ctx, Command{Args: args, Stdout: &out, Stderr: &errOut})
	if err != nil {
		err = fmt.Errorf("%w\nstdout: %s\nstderr: %s", err, strings.TrimSpace(out.String()), strings.TrimSpace(errOut.String()))
	}
	return out.String(), errOut.String(), err
}

// Run runs a command with its streams where the caller wants them.
func (h *Host) Run(ctx context.Context, command Command) error {
	leader := h.leader()
	if leader == 0 {
		return fmt.Errorf("running %s on %s: %w", strings.Join(command.Args, " "), h.Name, ErrOff)
	}
	// In the host's own tree, as if the host had started it, and in a cgroup of its own, for
	// killing nsenter would leave its child alone.
	group := h.machineCgroup().child("payload").child("exec").child(rand.Text()[:8])
	if err := os.MkdirAll(string(group), 0o755); err != nil {
		return fmt.Errorf("running a command on %s: %w", h.Name, err)
	}
	dir, err := os.Open(string(group))
	if err != nil {
		return fmt.Errorf("running a command on %s: %w", h.Name, err)
	}
	defer dir.Close()
	// What the command left in the background keeps the cgroup, until the host goes off.
	defer syscall.Rmdir(string(group))

	cmd := exec.CommandContext(ctx, "nsenter", h.enter(leader, command)...)
	cmd.Env = []string{"PATH=" + outerPath}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = command.Stdin, command.Stdout, command.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	cmd.Cancel = func() error { return killInside(group, cmd.Process.Pid) }
	// A background process that holds the output open must not hold us.
	cmd.WaitDelay = 2 * time.Second
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, exec.ErrWaitDelay):
		err = nil // it ended well; only something it left in the background holds the output
	}
	if err != nil {
		return fmt.Errorf("running %s on %s: %w", strings.Join(command.Args, " "), h.Name, err)
	}
	return nil
}

// killInside kills what nsenter started and lets nsenter itself end by that. Killed with them, it
// would leave a zombie to the outer machine's init, which in many a container reaps nothing, and
// the host's next shutdown would wait 10 s for that zombie.
func killInside(group cgroup, nsenter int) error {
	for range 200 {
		left := 0
		for _, pid := range group.pids() {
			if pid != nsenter {
				left++
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if left == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return group.kill()
}

func (h *Host) enter(leader int, command Command) []string {
	// --root: where systemd-nspawn cannot pivot_root (below a chroot, on a rootfs), the root of the
	// host's mount namespace is the outer machine's.
	args := []string{
		"--all", "--root", "--target", strconv.Itoa(leader), "--",
		"/usr/bin/env", "-i", "-C", "/root",
		"PATH=" + outerPath, "HOME=/root", "USER=root", "LOGNAME=root", "LANG=C.UTF-8", "SHELL=/bin/bash",
	}
	return append(append(args, command.Env...), command.Args...)
}

// writeScript writes beside and renames, so that a reader on the host never sees half a file.
const writeScript = `set -eu
mkdir -p "$(dirname "$1")"
part=$(mktemp "$1.XXXXXX")
cat >"$part"
chmod "$2" "$part"
mv -f "$part" "$1"`

// Write writes a file on the running host, as root, making its directories.
func (h *Host) Write(ctx context.Context, path string, data []byte, mode fs.FileMode) error {
	var said bytes.Buffer
	err := h.Run(ctx, Command{
		Args:   []string{"/bin/sh", "-c", writeScript, "write", path, fmt.Sprintf("%o", mode.Perm())},
		Stdin:  bytes.NewReader(data),
		Stderr: &said,
	})
	if err != nil {
		return fmt.Errorf("writing %s on %s: %w: %s", path, h.Name, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// Read reads a file of the running host as a process there would; a file that is not there is an
// fs.ErrNotExist.
func (h *Host) Read(ctx context.Context, path string) ([]byte, error) {
	out, _, err := h.Exec(ctx, "/bin/sh", "-c", `[ -e "$1" ] || [ -L "$1" ] || exit 44; exec cat -- "$1"`, "read", path)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 44 {
		return nil, &fs.PathError{Op: "reading on " + h.Name, Path: path, Err: fs.ErrNotExist}
	}
	return []byte(out), err
}

// Kill sends a signal ("SIGKILL") to every process of a unit, behind systemd's back as far as
// the unit is concerned: it sees a crash.
func (h *Host) Kill(ctx context.Context, unit, signal string) error {
	_, _, err := h.Exec(ctx, "systemctl", "kill", "--signal="+signal, unit)
	return err
}

// Journal is what a unit wrote to the host's journal since the host was made, over all its boots;
// an empty unit means everything. For a failing test's output.
func (h *Host) Journal(ctx context.Context, unit string) (string, error) {
	args := []string{"journalctl", "--no-pager", "--output=short-precise"}
	if unit != "" {
		args = append(args, "--unit="+unit)
	}
	out, _, err := h.Exec(ctx, args...)
	return out, err
}
