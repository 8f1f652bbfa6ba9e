package load

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// recorder takes what all workers saw.
type recorder struct {
	failuresTo io.Writer
	ready      chan<- struct{}

	mu    sync.Mutex
	lines []*Line
	kept  []Failure
	// waiting are the workers without a good answer yet.
	waiting  int
	requests int64
}

// line gives the line of a target and a kind, made at its first use.
func (r *recorder) line(target string, kind Kind, connections int) *Line {
	l := &Line{Target: target, Kind: kind, Connections: connections, Releases: map[string]int{}}
	r.lines = append(r.lines, l)
	r.waiting += connections
	return l
}

func (r *recorder) opened(l *Line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.Opened++
}

func (r *recorder) good(l *Line, release string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	l.Requests++
	l.Latencies.Add(took)
	l.Releases[release]++
}

// first is told by a worker once, after its first good answer.
func (r *recorder) first() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
	if r.waiting == 0 && r.ready != nil {
		close(r.ready)
	}
}

func (r *recorder) failed(l *Line, began time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	l.Requests++
	l.Failed++
	if len(r.kept) == MaxFailures {
		return
	}
	now := time.Now()
	f := Failure{Time: now, Target: l.Target, Kind: l.Kind, After: now.Sub(began), Error: err.Error()}
	r.kept = append(r.kept, f)
	fmt.Fprintln(r.failuresTo, f)
}

// count is how many requests had an end.
func (r *recorder) count() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

func (r *recorder) report(began time.Time) Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	report := Report{Began: began, Ended: time.Now(), Failures: r.kept}
	for _, l := range r.lines {
		report.Lines = append(report.Lines, *l)
	}
	return report
}
