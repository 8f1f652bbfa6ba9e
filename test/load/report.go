package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what the clients got.
type Report struct {
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
	// Lines are by target and kind, in the order of the options.
	Lines []Line `json:"lines"`
	// Failures are the first MaxFailures.
	Failures []Failure `json:"failures,omitempty"`
}

// Line is one kind of connection to one target.
type Line struct {
	Target      string `json:"target"`
	Kind        Kind   `json:"kind"`
	Connections int    `json:"connections"`
	// Requests that had an end, good or bad; messages of a WebSocket, whole downloads.
	Requests int `json:"requests"`
	Failed   int `json:"failed"`
	// Opened counts the connections that were made; those above Connections replaced one that
	// failed, or that said goodbye as the protocol knows it.
	Opened int `json:"opened"`
	// Latencies of the good ones.
	Latencies Latencies `json:"latencies"`
	// Releases counts good answers by the release that gave them.
	Releases map[string]int `json:"releases,omitempty"`
}

// Failure is one request that went wrong.
type Failure struct {
	Time   time.Time `json:"time"`
	Target string    `json:"target"`
	Kind   Kind      `json:"kind"`
	// After is how long the request, or the WebSocket, had been going on.
	After time.Duration `json:"after"`
	Error string        `json:"error"`
}

// String is a line for people.
func (f Failure) String() string {
	return fmt.Sprintf("%s %s %s failed after %s: %s",
		f.Time.Format("15:04:05.000"), f.Target, f.Kind, f.After.Round(time.Millisecond), f.Error)
}

// Of adds up the lines of a target, of the kinds that are named or of all.
func (r Report) Of(target string, kinds ...Kind) Line {
	return r.sum(func(l Line) bool {
		return l.Target == target && (len(kinds) == 0 || slices.Contains(kinds, l.Kind))
	})
}

// Total adds up all lines.
func (r Report) Total() Line { return r.sum(func(Line) bool { return true }) }

// Quick adds up what is answered at once: a latency of the others would say nothing.
func (r Report) Quick() Line {
	return r.sum(func(l Line) bool { return l.Kind == Get || l.Kind == Post || l.Kind == HTTP2 })
}

func (r Report) sum(fits func(Line) bool) Line {
	sum := Line{Releases: map[string]int{}}
	for _, l := range r.Lines {
		if !fits(l) {
			continue
		}
		sum.Connections += l.Connections
		sum.Requests += l.Requests
		sum.Failed += l.Failed
		sum.Opened += l.Opened
		sum.Latencies = sum.Latencies.Plus(l.Latencies)
		for release, n := range l.Releases {
			sum.Releases[release] += n
		}
	}
	return sum
}

// String is a table for people, with the first failures below it.
func (r Report) String() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%.0f s\tconnections\topened\trequests\tFAILED\tp50\tp99\tmax\treleases\n", r.Ended.Sub(r.Began).Seconds())
	for _, l := range append(slices.Clone(r.Lines), r.named("all", r.Total()), r.named("quick ones", r.Quick())) {
		fmt.Fprintf(w, "%s %s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", l.Target, l.Kind, l.Connections, l.Opened, l.Requests, l.Failed,
			ms(l.Latencies.Quantile(0.5)), ms(l.Latencies.Quantile(0.99)), ms(l.Latencies.Max), names(l.Releases))
	}
	w.Flush()
	const enough = 20
	for i, f := range r.Failures {
		if i == enough {
			fmt.Fprintf(&out, "… and %d failures more\n", r.Total().Failed-enough)
			break
		}
		fmt.Fprintln(&out, f)
	}
	return out.String()
}

func (r Report) named(name string, l Line) Line {
	l.Target = name
	return l
}

func ms(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// names lists releases, and counts them when there are many.
func names(releases map[string]int) string {
	list := slices.Sorted(maps.Keys(releases))
	if len(list) > 3 {
		return fmt.Sprintf("%d of them", len(list))
	}
	return strings.Join(list, " ")
}
