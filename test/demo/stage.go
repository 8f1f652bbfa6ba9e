package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"deployer/test/env"
)

// patience bounds every wait of the demo.
const patience = 60 * time.Second

// say runs a command on a host and shows it as a person at its prompt would see it.
func (d *demo) say(ctx context.Context, h *env.Host, args ...string) error {
	d.prompt(h, args)
	stdout, stderr, err := h.Exec(ctx, args...)
	d.indent(stdout + stderr)
	return err
}

// status shows deployerctl status; its exit code tells the state, and is no failure here.
func (d *demo) status(ctx context.Context) error {
	args := []string{"deployerctl", "status"}
	d.prompt(d.biz, args)
	stdout, stderr, err := d.biz.Exec(ctx, args...)
	d.indent(stdout + stderr)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// settledStatus waits until the release is the settled one, and not only the one before.
func (d *demo) settledStatus(ctx context.Context, release string) error {
	if err := d.waitStatus(ctx, "Settled", `"health": "Healthy"`, d.paths[release]); err != nil {
		return err
	}
	return d.status(ctx)
}

// waitStatus waits until the service web shows a state, and all of the texts with it.
func (d *demo) waitStatus(ctx context.Context, state string, texts ...string) error {
	began := time.Now()
	for ctx.Err() == nil {
		out, _, _ := d.biz.Exec(ctx, "deployerctl", "status", "web", "-o", "json")
		if containsAll(out, append(texts, `"state": "`+state+`"`)) {
			return nil
		}
		if time.Since(began) > patience {
			return fmt.Errorf("web is not %s after %s:\n%s", state, patience, out)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return ctx.Err()
}

func containsAll(out string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(out, text) {
			return false
		}
	}
	return true
}

// waitAnswer asks through Caddy, over https, until the release answers.
func (d *demo) waitAnswer(ctx context.Context, release string) error {
	began := time.Now()
	for ctx.Err() == nil {
		answer, err := d.answer(ctx)
		if err == nil && strings.Contains(answer, release) {
			d.note("https://%s/ answers %q after %.1f s", domain, answer, time.Since(began).Seconds())
			return nil
		}
		last := answer
		if err != nil {
			last = err.Error()
		}
		if time.Since(began) > patience {
			return fmt.Errorf("https://%s/ does not answer with %q after %s, but: %s", domain, release, patience, last)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return ctx.Err()
}

func (d *demo) answer(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+domain+"/", nil)
	if err != nil {
		return "", err
	}
	// A connection that Caddy accepted in the moment in which its routes changed may keep
	// the old ones for as long as it lives.
	defer d.https.CloseIdleConnections()
	response, err := d.https.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", response.Status, body)
	}
	return strings.TrimSpace(string(body)), err
}

// explain prints what a person would look at when a part fails.
func (d *demo) explain(ctx context.Context) {
	if d.biz == nil {
		return
	}
	for _, unit := range []string{"biz-deployer", "web", "caddy"} {
		if log, err := d.biz.Journal(ctx, unit); err == nil {
			fmt.Fprintf(d.out, "\n-- the journal of %s on biz --\n%s", unit, lastLines(log, 30))
		}
	}
	_ = d.status(ctx)
}

func lastLines(s string, n int) string {
	lines := strings.SplitAfter(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

func (d *demo) prompt(h *env.Host, args []string) {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = a
		if strings.ContainsAny(a, " {\n") {
			quoted[i] = "'" + a + "'"
		}
	}
	fmt.Fprintf(d.out, "%s# %s\n", h.Name, strings.Join(quoted, " "))
}

func (d *demo) note(format string, args ...any) {
	fmt.Fprintf(d.out, "   "+format+"\n", args...)
}

func (d *demo) indent(text string) {
	for line := range strings.Lines(text) {
		fmt.Fprint(d.out, "   "+line)
	}
}
