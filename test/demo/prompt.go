package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"deployer/test/env"
)

// run runs a command on a host and shows it as a person at its prompt would see it, while it
// goes on. It has to end with the code.
func (d *demo) run(ctx context.Context, h *env.Host, code int, args ...string) (said string, err error) {
	fmt.Fprintf(d.out, "%s# %s\n", h.Name, quoted(args))
	screen := &indented{out: d.out}
	err = h.Run(ctx, env.Command{Args: args, Stdout: screen, Stderr: screen})
	screen.end()
	var exit *exec.ExitError
	ended := 0
	switch {
	case errors.As(err, &exit):
		ended = exit.ExitCode()
	case err != nil:
		return screen.said.String(), err
	}
	if ended != code {
		return screen.said.String(), fmt.Errorf("`%s` on %s ended with %d, and has to end with %d", quoted(args), h.Name, ended, code)
	}
	if code != 0 {
		d.note("(ended with %d)", code)
	}
	return screen.said.String(), nil
}

// saying is run for what has to say all of that.
func (d *demo) saying(ctx context.Context, texts []string, h *env.Host, code int, args ...string) error {
	said, err := d.run(ctx, h, code, args...)
	if err != nil {
		return err
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			return fmt.Errorf("`%s` does not say %q", quoted(args), text)
		}
	}
	return nil
}

// quoted is the command as somebody would type it: a script without the shell that runs it.
func quoted(args []string) string {
	if len(args) == 3 && args[0] == "sh" {
		return args[2]
	}
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if strings.ContainsAny(a, " {\n$|>") {
			out[i] = "'" + a + "'"
		}
	}
	return strings.Join(out, " ")
}

// note is the teller's own sentence.
func (d *demo) note(format string, args ...any) {
	fmt.Fprintf(d.out, "   "+format+"\n", args...)
}

// indented sets what a command prints apart, and keeps it.
type indented struct {
	out  io.Writer
	said bytes.Buffer
	part bytes.Buffer
}

func (w *indented) Write(p []byte) (int, error) {
	w.said.Write(p)
	w.part.Write(p)
	for bytes.ContainsRune(w.part.Bytes(), '\n') {
		fmt.Fprintf(w.out, "   %s", w.part.Next(bytes.IndexByte(w.part.Bytes(), '\n')+1))
	}
	return len(p), nil
}

func (w *indented) end() {
	if w.part.Len() > 0 {
		fmt.Fprintln(w.out, "   "+w.part.String())
	}
}

// explain prints what a person would look at when a scene fails.
func (d *demo) explain(ctx context.Context) {
	for _, h := range []*env.Host{d.ava, d.biz} {
		if h == nil || !h.Running() {
			continue
		}
		for _, unit := range []string{"biz-deployer", "web", "web-standby", "caddy"} {
			if log, err := h.Journal(ctx, unit); err == nil {
				lines := strings.SplitAfter(log, "\n")
				fmt.Fprintf(d.out, "\n-- the journal of %s on %s --\n%s", unit, h.Name, strings.Join(lines[max(0, len(lines)-20):], ""))
			}
		}
		status, _, _ := h.Exec(ctx, "deployerctl", "status")
		fmt.Fprintf(d.out, "\n-- status of %s --\n%s", h.Name, status)
	}
}
