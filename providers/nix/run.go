package nix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"deployer/providers/internal/child"
)

// Command is one run of a Nix tool.
type Command struct {
	// Name is the tool: nix-store or nix.
	Name string
	Args []string
	// Env is the whole environment, NAME=value; nothing is inherited.
	Env []string
	// Timeout also ends a run whose caller is gone.
	Timeout time.Duration
	// OnLine gets each line of the tool's errors and progress as it comes. ExecRunner only.
	OnLine func(line string)
}

// Result is what a run printed.
type Result struct {
	Stdout, Stderr string
}

// Runner runs a command to its end. An exit status other than zero is an *ExitError, with
// the Result; any other error means that the command did not run or was ended.
type Runner interface {
	Run(ctx context.Context, c Command) (Result, error)
}

// ExitError means that the command ran and failed.
type ExitError struct {
	Command string
	Stderr  string
	// Status is how it ended, as "exit status 1" or "signal: killed".
	Status string
}

// Error repeats the last thing that the tool said; of one that said nothing, how it ended.
func (e *ExitError) Error() string {
	if strings.TrimSpace(e.Stderr) == "" {
		return fmt.Sprintf("running %s: it said nothing: %s", e.Command, e.Status)
	}
	return fmt.Sprintf("running %s: %s", e.Command, gatewayURL.ReplaceAllString(lastLine(e.Stderr), "the cache"))
}

// ErrNoNix means that there is no Nix on this machine.
var ErrNoNix = errors.New("nix is not installed, or none of PATH and the usual places has it")

// toolPath is where Nix is on Debian, on NixOS and after Nix's own installer, behind our
// own PATH. The daemon's may name none of them.
func toolPath() string {
	return strings.TrimPrefix(os.Getenv("PATH")+":/usr/bin:/bin:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin", ":")
}

func findTool(name string) (string, error) {
	for _, dir := range filepath.SplitList(toolPath()) {
		if !filepath.IsAbs(dir) {
			continue
		}
		p := filepath.Join(dir, name)
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("looking for %s: %w", name, ErrNoNix)
}

// ExecRunner runs commands as children. For people's machines, and where systemd is not
// the init.
type ExecRunner struct{}

// Run ends the command with everything that it started when ctx ends.
func (ExecRunner) Run(ctx context.Context, c Command) (Result, error) {
	tool, err := findTool(c.Name)
	if err != nil {
		return Result{}, err
	}
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, tool, c.Args...)
	cmd.Env = c.Env
	if cmd.Env == nil {
		// nil would mean: inherit everything.
		cmd.Env = []string{}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, io.Writer(&stderr)
	if c.OnLine != nil {
		cmd.Stderr = io.MultiWriter(&stderr, &lineWriter{emit: c.OnLine})
	}
	err = cmd.Run()
	result := Result{Stdout: stdout.String(), Stderr: stderr.String()}
	child.AwaitSignal(ctx, err)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return result, fmt.Errorf("running %s: %w", c.Name, ctx.Err())
	case errors.As(err, &exit):
		return result, &ExitError{Command: c.Name, Stderr: result.Stderr, Status: exit.Error()}
	case err != nil:
		return result, fmt.Errorf("running %s: %w", c.Name, err)
	}
	return result, nil
}

// lineWriter hands over whole lines.
type lineWriter struct {
	emit func(string)
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, found := bytes.Cut(w.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		w.rest = rest
		w.emit(string(line))
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
