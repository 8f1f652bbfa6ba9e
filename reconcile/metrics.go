package reconcile

import "time"

// The results of a pass, as Metrics.PassDone gets them.
const (
	ResultSuccess  = "success"  // as wanted
	ResultRequeue  = "requeue"  // not yet: a RequeueAfter
	ResultError    = "error"    // failed, backs off
	ResultTerminal = "terminal" // failed, waits for a change
	ResultPanic    = "panic"    // failed by a panic, backs off
)

// Metrics hears what the engine does. The methods are called from all workers and
// from every caller of Enqueue, so they must be quick and safe for concurrent use.
type Metrics interface {
	// PassDone is called after each pass with one of the Result… words and how long
	// the pass took.
	PassDone(controller, result string, d time.Duration)
	// QueueDepth is called whenever a name is enqueued or taken: so many names wait
	// for a worker now. Names that back off do not count.
	QueueDepth(controller string, names int)
	// OldestAge is called beside QueueDepth: so long has the first in the queue been
	// waiting for a worker, 0 if none waits. A figure that keeps growing means that
	// all workers hang. At the moment of a scrape, Controller.Queued is more exact.
	OldestAge(controller string, age time.Duration)
}

// noMetrics is the default.
type noMetrics struct{}

var _ Metrics = noMetrics{}

func (noMetrics) PassDone(string, string, time.Duration) {}
func (noMetrics) QueueDepth(string, int)                 {}
func (noMetrics) OldestAge(string, time.Duration)        {}
