package reconcile

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
)

// pass runs the Reconciler once for name and acts on what it says: counts the
// failure, sets the next delay, logs and reports. Only here is a failed pass logged.
func (c *Controller) pass(ctx context.Context, name string) {
	log := c.options.Logger.WithValues("name", name, "reconcileID", c.newID())
	start := time.Now()
	result, err := c.reconcile(logr.NewContext(ctx, log), name)
	took := time.Since(start)

	word := resultOf(result, err)
	failures := c.count(name, result, word)
	switch word {
	case ResultSuccess:
		if log := log.V(1); log.Enabled() {
			log.Info("pass done", "duration", took)
		}
	case ResultRequeue:
		c.queue.retry(name, result.RequeueAfter)
		log.V(1).Info("pass waits", "duration", took, "requeueAfter", result.RequeueAfter)
	case ResultTerminal:
		log.Error(withStack(err), "pass failed for good, waiting for a change", "duration", took)
	default:
		delay := c.options.Backoff.Delay(failures, c.options.Rand())
		c.queue.retry(name, delay)
		log.Error(withStack(err), "pass failed", "duration", took, "attempt", failures, "requeueAfter", delay)
	}
	c.options.Metrics.PassDone(c.options.Name, word, took)
	c.options.OnPass(name, result, err)
}

// reconcile calls the Reconciler under the pass deadline and turns a panic into an
// error.
func (c *Controller) reconcile(ctx context.Context, name string) (result Result, err error) {
	if limit := c.options.PassTimeout; limit > 0 {
		deadline, release := context.WithTimeoutCause(ctx, limit, ErrPassTimeout)
		defer release()
		ctx = deadline
	}
	defer func() {
		if v := recover(); v != nil {
			result, err = Result{}, &PanicError{Value: v, Stack: debug.Stack()}
		}
		// A pass that failed because its context ended says so in the words of context,
		// "deadline exceeded"; whose deadline it was is known only here.
		if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w (%s): %w", cause, c.limitOf(cause), err)
		}
	}()
	return c.reconciler.Reconcile(ctx, name)
}

// limitOf gives the time limit that a pass hit.
func (c *Controller) limitOf(cause error) time.Duration {
	if errors.Is(cause, ErrPassTimeout) {
		return c.options.PassTimeout
	}
	return c.options.DrainTimeout
}

// count keeps the number of failures in a row of name and gives it back.
func (c *Controller) count(name string, result Result, word string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	failed := word == ResultError || word == ResultPanic
	if !failed || result.Progressed {
		delete(c.failures, name)
	}
	if failed {
		c.failures[name]++
	}
	return c.failures[name]
}

// newID tells passes apart in the logs.
func (c *Controller) newID() string {
	return fmt.Sprintf("%08x", uint32(c.options.Rand()*(1<<32)))
}

// resultOf sums up a pass in one of the Result… words.
func resultOf(result Result, err error) string {
	switch {
	case err == nil && result.RequeueAfter > 0:
		return ResultRequeue
	case err == nil:
		return ResultSuccess
	}
	var panicked *PanicError
	switch {
	case errors.As(err, &panicked):
		return ResultPanic
	case IsTerminal(err):
		return ResultTerminal
	}
	return ResultError
}

// withStack gives err as it is logged: with the stack, if it comes from a panic.
func withStack(err error) error {
	var panicked *PanicError
	if errors.As(err, &panicked) {
		return fmt.Errorf("%w\n%s", err, panicked.Stack)
	}
	return err
}
