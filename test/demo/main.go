// Demo tells the main job as it happens, on real hosts: a person pushes releases from a
// laptop, and two machines with systemd, Nix and Caddy make of them what they are. Every
// scene checks itself, and one that is not as it says ends the demo. `make demo` runs it.
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

func run(ctx context.Context) error {
	if err := env.Ready(); err != nil {
		return fmt.Errorf("a test host cannot run here: %w", err)
	}
	d := &demo{out: os.Stdout, began: time.Now()}
	defer d.takeDown()
	for i, s := range d.story() {
		fmt.Fprintf(d.out, "\n== %d. %s\n", i+1, s.title)
		began := time.Now()
		if err := s.play(ctx); err != nil {
			d.explain(ctx)
			return fmt.Errorf("%s: %w", s.title, err)
		}
		d.times = append(d.times, taken{s.title, time.Since(began)})
	}
	return nil
}

// scene is one thing that the demo shows.
type scene struct {
	title string
	play  func(context.Context) error
}

// story is what happens, in its order.
func (d *demo) story() []scene {
	return []scene{
		{"boot a network with S3, a laptop, and the hosts ava and biz", d.boot},
		{"make the manifest, and add a service that has no release yet", d.addService},
		{"push release one: a signed Nix closure, on the canary biz first, then on ava", d.pushFirst},
		{"push release two under traffic: old and new overlap, and no request is lost", d.pushSecond},
		{"push a bad release three: taken back on biz, never started on ava", d.pushBad},
		{"push the fix, release four", d.pushFix},
		{"break things on biz by hand, and see them healed", d.breakByHand},
		{"push release five while ava is off: it catches up when it is back", d.pushWhileOff},
		{"look at the history, and take the release of this one service back", d.goBack},
		{"try what a host's own credentials must not do", d.tryRights},
		{"remove the service", d.remove},
	}
}
