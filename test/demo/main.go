// Demo shows the main job on a real host: a person edits a manifest in S3, and a machine
// with systemd, Nix and Caddy converges to it by itself. `make demo` runs it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"deployer/test/env"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	if err := env.Ready(); err != nil {
		return fmt.Errorf("a test host cannot run here: %w", err)
	}
	d := &demo{out: os.Stdout, began: time.Now(), paths: map[string]string{}}
	defer d.takeDown()
	for i, p := range d.parts() {
		fmt.Fprintf(d.out, "\n== %d. %s\n", i+1, p.title)
		began := time.Now()
		if err := p.do(ctx); err != nil {
			d.explain(ctx)
			return fmt.Errorf("%s: %w", p.title, err)
		}
		d.times = append(d.times, taken{p.title, time.Since(began)})
	}
	return nil
}

// part is one thing that the demo shows.
type part struct {
	title string
	do    func(context.Context) error
}

// parts are the story, in its order.
func (d *demo) parts() []part {
	return []part{
		{"boot a network with S3, a developer's laptop and the host biz", d.boot},
		{"make the manifest, and add a service that has no release yet", d.addService},
		{"push release one, a signed Nix closure, and wait until https answers with it", d.push("one")},
		{"push release two", d.push("two")},
		{"roll back to the manifest before", d.rollback},
		{"stop the unit by hand, and see it healed at the next pass", d.stopByHand},
		{"remove the service", d.remove},
	}
}
