package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var stepSum = regexp.MustCompile(`^deployer_(?:step_duration_seconds_(sum)\{.*step="([a-z]+)"|reconcile_duration_seconds_(sum)\{)[^}]*\} (\S+)$`)

// passes is the name under which steps counts whole passes.
const passes = "all passes"

// steps are the milliseconds that the daemon has spent in each step so far.
func (d *daemon) steps(ctx context.Context) (map[string]float64, error) {
	body, err := d.ask(ctx, http.MethodGet, "/metrics")
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for line := range strings.Lines(string(body)) {
		found := stepSum.FindStringSubmatch(strings.TrimSpace(line))
		if found == nil {
			continue
		}
		seconds, err := strconv.ParseFloat(found[4], 64)
		if err != nil {
			return nil, fmt.Errorf("reading the daemon's metrics: %w", err)
		}
		name := found[2]
		if name == "" {
			name = passes
		}
		out[name] += 1000 * seconds
	}
	return out, nil
}

// printSteps says where the time of a round goes; soak and prune come after the answer.
func printSteps(before, after map[string]float64, rounds int) {
	var parts []string
	rest := 0.0
	for _, name := range slices.Sorted(maps.Keys(after)) {
		each := (after[name] - before[name]) / float64(rounds)
		if name == passes {
			rest += each
			continue
		}
		rest -= each
		parts = append(parts, fmt.Sprintf("%s %s", name, short(each)))
	}
	fmt.Printf("  the daemon's steps, mean ms per new release: %s; observations and all else in its passes, until settled: %s\n",
		strings.Join(parts, ", "), short(rest))
}
