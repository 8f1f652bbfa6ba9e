// Package builder runs the command that builds a release, and reads from what it prints
// which store path that is. The command is Nix, or a project's own.
package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"deployer/providers"
	"deployer/providers/internal/child"
)

// Request is one build.
type Request struct {
	// What is built, as the person said it.
	What string
	// Command is a program and its arguments; no shell reads them.
	Command []string
	// Dir is where it runs; empty is here. A program with a slash in its name is looked for
	// there.
	Dir string
	// Read finds the store path in what the command printed on its standard output.
	Read func(stdout []byte) (storePath string, err error)
	// Line gets each line that the command prints, on either stream, as it comes and one at
	// a time. May be nil.
	Line func(line string)
}

// Reasons of the faults of this package.
const (
	// BuilderMissing: there is no such program.
	BuilderMissing = "BuilderMissing"
	// BuildFailed: it ended with another status than 0.
	BuildFailed = "BuildFailed"
	// NoStorePath: it went well, and its output names no store path.
	NoStorePath = "NoStorePath"
)

// FailedError is a build that failed, with the end of what it said.
type FailedError struct {
	providers.Fault
	// Tail are the last lines of both streams.
	Tail []string
}

// Unwrap gives the fault.
func (e *FailedError) Unwrap() error { return &e.Fault }

const (
	// tailLines is how much of its output a failed build shows.
	tailLines = 20
	// grace is how long a cancelled builder may take to clean up.
	grace = 5 * time.Second
)

// Build runs the command to its end. When ctx ends, the command and all that it started get
// a SIGTERM, and soon a SIGKILL. Its standard input is empty.
func Build(ctx context.Context, r Request) (storePath string, err error) {
	var stdout bytes.Buffer
	out := &output{line: r.Line}
	cmd := exec.CommandContext(ctx, r.Command[0], r.Command[1:]...)
	cmd.Dir = r.Dir
	first, second := out.stream(&stdout), out.stream(nil)
	cmd.Stdout, cmd.Stderr = first, second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	ended := make(chan struct{})
	defer close(ended)
	cmd.Cancel = func() error { return endGroup(cmd.Process.Pid, ended) }
	cmd.WaitDelay = grace + time.Second
	err = cmd.Run()
	child.AwaitSignal(ctx, err)
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well; only something it left in the background holds its output
	}
	first.end()
	second.end()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("building %s: %w", r.What, ctx.Err())
	case missing(err):
		return "", &providers.Fault{
			Reason: BuilderMissing, Err: err,
			Message: fmt.Sprintf("building %s: there is no program %s here; install it, or correct the command", r.What, r.Command[0]),
		}
	case err != nil:
		return "", out.failed(BuildFailed, fmt.Sprintf("building %s: `%s` failed (%v)", r.What, strings.Join(r.Command, " "), err))
	}
	if storePath, err = r.Read(stdout.Bytes()); err != nil {
		return "", out.failed(NoStorePath, fmt.Sprintf("building %s: `%s` went well, but %v", r.What, strings.Join(r.Command, " "), err))
	}
	return storePath, nil
}

func missing(err error) bool {
	var path *fs.PathError
	return errors.Is(err, exec.ErrNotFound) || errors.As(err, &path) && errors.Is(err, fs.ErrNotExist)
}

// endGroup ends a process group, politely first.
func endGroup(group int, ended <-chan struct{}) error {
	go func() {
		select {
		case <-ended:
		case <-time.After(grace):
			_ = syscall.Kill(-group, syscall.SIGKILL)
		}
	}()
	return syscall.Kill(-group, syscall.SIGTERM)
}

// output takes both streams apart into lines, in the order in which they came.
type output struct {
	mu   sync.Mutex
	line func(string)
	tail []string
}

func (o *output) failed(reason, message string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return &FailedError{Fault: providers.Fault{Reason: reason, Message: message}, Tail: o.tail}
}

func (o *output) add(line string) {
	line = strings.TrimRight(line, "\r")
	// What a program overwrites on a terminal is one line with many beginnings.
	line = line[strings.LastIndexByte(line, '\r')+1:]
	if o.tail = append(o.tail, line); len(o.tail) > tailLines {
		o.tail = o.tail[1:]
	}
	if o.line != nil {
		o.line(line)
	}
}

// stream is one of the two; keep gets all of it, and may be nil.
func (o *output) stream(keep *bytes.Buffer) *stream { return &stream{output: o, keep: keep} }

type stream struct {
	*output
	keep *bytes.Buffer
	rest []byte
}

// Write takes whole lines out of what comes.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keep != nil {
		s.keep.Write(p)
	}
	s.rest = append(s.rest, p...)
	for {
		line, rest, found := bytes.Cut(s.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		s.rest = rest
		s.add(string(line))
	}
}

// end takes a last line that has no end.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rest) > 0 {
		s.add(string(s.rest))
		s.rest = nil
	}
}
