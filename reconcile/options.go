package reconcile

import (
	"math/rand/v2"
	"time"

	"github.com/go-logr/logr"
)

// DefaultDrainTimeout is how long a stopping controller leaves its passes alone when
// Options do not say.
const DefaultDrainTimeout = 30 * time.Second

// Options shape a Controller. The zero value works.
type Options struct {
	// Name is the controller's name in logs, metrics and errors.
	Name string
	// Workers bounds how many passes run at once; 1 if not positive.
	Workers int
	// Backoff is the pause after failed passes; the zero value is DefaultBackoff.
	Backoff Backoff
	// PassTimeout is the deadline of each pass, set on its context; none if 0. A pass
	// that ignores its context is not cut off: it keeps its worker and its name.
	PassTimeout time.Duration
	// DrainTimeout is how long passes may go on after the context of Run ended,
	// before theirs is cancelled; DefaultDrainTimeout if 0, at once if negative. Keep
	// it below the time after which the service manager kills the process.
	DrainTimeout time.Duration
	// Metrics hears what happens; nobody does if nil.
	Metrics Metrics
	// Logger is where the engine writes, and the parent of each pass's logger.
	// The zero Logger discards everything.
	Logger logr.Logger
	// Rand gives numbers in [0, 1) for jitter and for the reconcileID; it is called by
	// all workers at once. math/rand if nil.
	Rand func() float64
	// OnPass is called after each pass, before the name may run again. It must return
	// soon and must not panic.
	OnPass func(name string, result Result, err error)
}

// withDefaults fills what was left out.
func (o Options) withDefaults() Options {
	o.Workers = max(o.Workers, 1)
	if o.Backoff == (Backoff{}) {
		o.Backoff = DefaultBackoff()
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = DefaultDrainTimeout
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.OnPass == nil {
		o.OnPass = func(string, Result, error) {}
	}
	o.Logger = o.Logger.WithValues("controller", o.Name)
	return o
}
