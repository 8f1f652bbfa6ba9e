package nix

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// SystemdRunner runs each command in a transient unit of its own: outside the daemon's
// sandbox, which could not write the Nix store; with nothing of the daemon's environment;
// and with a time limit that holds when the daemon is gone.
//
// The unit is a oneshot and writes to files, instead of `systemd-run --wait --pipe`, which
// needs dbus-daemon: a oneshot's start job ends with its process, and start jobs can be
// waited for over systemd's private socket.
type SystemdRunner struct {
	// Dir, 0700 and root's, gets a directory per run while it runs. PID 1 writes there, so
	// it must not be private to the daemon, as a PrivateTmp is.
	Dir string
}

// UnderSystemd reports whether systemd is this machine's init.
func UnderSystemd() bool {
	info, err := os.Stat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// stopGrace is how long an unwanted command may take to end before it is killed.
const stopGrace = 5 * time.Second

// Run stops the unit when ctx ends.
func (r SystemdRunner) Run(ctx context.Context, c Command) (Result, error) {
	tool, err := findTool(c.Name)
	if err != nil {
		return Result{}, err
	}
	unit := "biz-deployer-nix-" + strings.ToLower(rand.Text()[:12])
	dir := filepath.Join(r.Dir, unit)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return Result{}, fmt.Errorf("running %s: %w", c.Name, err)
	}
	defer os.RemoveAll(dir)
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	return r.wait(ctx, c, unit, dir, tool)
}

func (r SystemdRunner) wait(ctx context.Context, c Command, unit, dir, tool string) (Result, error) {
	stdout, stderr := filepath.Join(dir, "stdout"), filepath.Join(dir, "stderr")
	args := []string{
		"--quiet", "--collect", "--unit=" + unit, "--service-type=oneshot",
		// The default description is the whole command line, in everybody's journal.
		"--description=Nix for biz-deployer (" + c.Name + ")",
		"--property=StandardOutput=file:" + stdout, "--property=StandardError=file:" + stderr,
		// A unit that starts and ends is news to nobody; one that fails still is.
		"--property=LogLevelMax=notice",
		"--property=TimeoutStopSec=" + seconds(stopGrace),
		"--property=TimeoutStartSec=" + limit(c.Timeout),
		// systemd's own environment may hold proxies: env -i drops it.
		"--", "/usr/bin/env", "-i",
	}
	args = append(append(append(args, c.Env...), tool), c.Args...)
	var said bytes.Buffer
	// Not ctx: systemd-run would die and leave its unit running. stop ends both.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "systemd-run", args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return Result{}, fmt.Errorf("running %s: %w", c.Name, err)
	}
	var err error
	done := make(chan struct{})
	go func() {
		err = cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		r.stop(cmd, unit, done)
	}
	result, started := read(stdout, stderr)
	switch {
	case ctx.Err() != nil:
		return result, fmt.Errorf("running %s: %w", c.Name, ctx.Err())
	case err == nil:
		return result, nil
	case !started:
		return result, fmt.Errorf("running %s in a transient unit: %w: %s", c.Name, err, strings.TrimSpace(said.String()))
	}
	return result, &ExitError{Command: c.Name, Stderr: result.Stderr, Status: err.Error()}
}

// stop ends the unit and waits for systemd-run to have seen it. A unit that systemd is
// only about to start is stopped too: the jobs queue up.
func (r SystemdRunner) stop(cmd *exec.Cmd, unit string, done <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*stopGrace)
	defer cancel()
	_ = exec.CommandContext(ctx, "systemctl", "--quiet", "stop", unit).Run()
	select {
	case <-done:
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-done
	}
}

// read gives what the command printed; systemd makes both files just before it runs it.
func read(stdout, stderr string) (result Result, started bool) {
	out, outErr := os.ReadFile(stdout)
	text, textErr := os.ReadFile(stderr)
	return Result{Stdout: string(out), Stderr: string(text)}, !errors.Is(errors.Join(outErr, textErr), os.ErrNotExist)
}

// limit lets our own timeout come first; systemd's is for when we are gone.
func limit(timeout time.Duration) string {
	if timeout <= 0 {
		return "infinity"
	}
	return seconds(timeout + 2*stopGrace)
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64(d/time.Second)+1, 10)
}
