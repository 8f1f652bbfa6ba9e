package reconcile

import (
	"context"
	"math/rand/v2"
	"time"
)

// Queue takes the names that need a pass. It is safe for concurrent use and never
// blocks. After the controller has begun to stop, names are dropped.
type Queue interface {
	// Enqueue asks for a pass as soon as a worker is free, also for a name that backs
	// off or waits. A name that is waiting for a worker already is not added again.
	Enqueue(name string)
	// EnqueueAfter asks for a pass in d, whatever passes there are before; of several
	// requests for one name the earliest counts. Without a positive d it is Enqueue.
	EnqueueAfter(name string, d time.Duration)
}

// Source feeds names to a controller.
type Source interface {
	// Run enqueues names until ctx ends, and then returns. Returning nil earlier only
	// means that no more names will come. An error stops the controller, so a source
	// reports only what it cannot live with and retries the rest itself.
	Run(ctx context.Context, q Queue) error
}

// SourceFunc is a function that is a Source.
type SourceFunc func(ctx context.Context, q Queue) error

// Run calls f.
func (f SourceFunc) Run(ctx context.Context, q Queue) error { return f(ctx, q) }

// Ticker is the full pass: it enqueues every name at the start, when nothing is
// known yet, and again and again, so that an event that was lost costs a delay and
// nothing else.
type Ticker struct {
	// Every is the time between two rounds. It must be positive.
	Every time.Duration
	// Jitter moves each round by up to ± this share of Every.
	Jitter float64
	// Names lists what to enqueue; it is asked at each round.
	Names func() []string
	// Rand gives numbers in [0, 1) for the jitter; math/rand if nil.
	Rand func() float64
}

var _ Source = Ticker{}

// Run enqueues all names now and every t.Every, until ctx ends.
func (t Ticker) Run(ctx context.Context, q Queue) error {
	random := t.Rand
	if random == nil {
		random = rand.Float64
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		for _, name := range t.Names() {
			q.Enqueue(name)
		}
		timer.Reset(jitter(t.Every, t.Jitter, random()))
	}
}

// Chan is a source that enqueues each name sent to it, until it is closed.
type Chan <-chan string

var _ Source = Chan(nil)

// Run enqueues what is received until the channel is closed or ctx ends.
func (c Chan) Run(ctx context.Context, q Queue) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case name, open := <-c:
			if !open {
				return nil
			}
			q.Enqueue(name)
		}
	}
}
