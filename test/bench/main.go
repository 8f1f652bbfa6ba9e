// Bench measures what Deployer promises, each figure beside a naive baseline of the same
// run, because two machines agree on ratios and on little else. It prints tables and fails
// only when it could not measure: a slow machine is no error. `hack/bench` runs all of it,
// `hack/bench NAME` one part.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"deployer/test/env"
)

// bench is one part. Its outer half runs here, and may send the inner half, which is this
// same program, onto a test host.
type bench struct {
	name, about   string
	outer, inside func(context.Context) error
}

func benches() []bench {
	return []bench{
		{"noop", "a no-op pass over 1,000 services", noop, noopInside},
		{"rss", "memory and CPU of the idle daemon with 10 services", rss, rssInside},
		{"push", "upload of a closure over a long line", push, pushInside},
		{"latency", "manifest written, until the new release answers", latency, latencyInside},
		{"overlap", "requests lost and their latency while releases come, and how soon they are live", overlap, overlapInside},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	for _, b := range chosen {
		half := b.outer
		if env.Inside() {
			half = b.inside
		} else {
			fmt.Printf("\n== %s: %s\n", b.name, b.about)
		}
		if err := half(ctx); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}

// choose gives the named parts, or all of them.
func choose(names []string) ([]bench, error) {
	if len(names) == 0 {
		return benches(), nil
	}
	var chosen []bench
	for _, name := range names {
		i := slices.IndexFunc(benches(), func(b bench) bool { return b.name == name })
		if i < 0 {
			var known []string
			for _, b := range benches() {
				known = append(known, fmt.Sprintf("  %-9s %s", b.name, b.about))
			}
			return nil, fmt.Errorf("there is no benchmark %q; there are\n%s", name, strings.Join(known, "\n"))
		}
		chosen = append(chosen, benches()[i])
	}
	return chosen, nil
}
