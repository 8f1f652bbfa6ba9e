package reconcile

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Controller runs a Reconciler for the names it is given. See the package comment
// for what it promises.
type Controller struct {
	reconciler Reconciler
	options    Options
	queue      *queue
	started    atomic.Bool

	mu sync.Mutex
	// failures counts the failed passes in a row of each name that has any.
	failures map[string]int
}

var _ Queue = (*Controller)(nil)

// New makes a controller. Names may be enqueued at once; they wait for Run.
func New(r Reconciler, opts Options) *Controller {
	return &Controller{
		reconciler: r,
		options:    opts.withDefaults(),
		queue:      newQueue(),
		failures:   map[string]int{},
	}
}

// Enqueue asks for a pass as soon as a worker is free; see Queue.
func (c *Controller) Enqueue(name string) {
	c.queue.add(name)
	c.reportQueue()
}

// EnqueueAfter asks for a pass in d; see Queue.
func (c *Controller) EnqueueAfter(name string, d time.Duration) {
	if d <= 0 {
		c.Enqueue(name)
		return
	}
	c.queue.wish(name, d)
}

// Queued says how many names wait for a worker, and how long the first of them has
// been waiting. Names that run, back off or wait for a delay do not count.
func (c *Controller) Queued() (names int, oldest time.Duration) { return c.queue.line.depth() }

// Run feeds the sources' names to the workers until ctx ends or a source fails, then
// lets the passes that run come to their end, and returns when they and the sources
// have. The error is that of the sources: nil after an orderly stop. A controller
// runs once.
func (c *Controller) Run(ctx context.Context, sources ...Source) error {
	if !c.started.CompareAndSwap(false, true) {
		return fmt.Errorf("running controller %q: it ran already", c.options.Name)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// Passes outlive ctx: they are cut off by the drain timeout only.
	passes, cutOff := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cutOff(nil)

	var feeding, working sync.WaitGroup
	failed := make([]error, len(sources))
	for i, source := range sources {
		feeding.Go(func() {
			if failed[i] = c.feed(ctx, source); failed[i] != nil {
				stop()
			}
		})
	}
	for range c.options.Workers {
		working.Go(func() { c.work(ctx, passes) })
	}

	<-ctx.Done()
	c.queue.stop()
	drain := time.AfterFunc(c.options.DrainTimeout, func() { cutOff(ErrDrainTimeout) })
	defer drain.Stop()
	working.Wait()
	feeding.Wait()
	return errors.Join(failed...)
}

// feed runs one source. Its panic is an error like any other of its: it stops the
// controller, after a drain.
func (c *Controller) feed(ctx context.Context, source Source) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
			c.options.Logger.Error(withStack(err), "source panicked")
		}
		// A source that reports its end as the end of ctx has done nothing wrong.
		if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = nil
		}
		if err != nil {
			err = fmt.Errorf("running a source of controller %q: %w", c.options.Name, err)
		}
	}()
	return source.Run(ctx, c)
}

// work runs passes until the queue is stopped. What is still in line then is dropped:
// no pass starts once ctx has ended.
func (c *Controller) work(ctx, passes context.Context) {
	for {
		name, ok := c.queue.get()
		if !ok {
			return
		}
		c.reportQueue()
		if ctx.Err() == nil {
			c.pass(passes, name)
		}
		c.queue.done(name)
	}
}

func (c *Controller) reportQueue() {
	names, oldest := c.Queued()
	c.options.Metrics.QueueDepth(c.options.Name, names)
	c.options.Metrics.OldestAge(c.options.Name, oldest)
}
