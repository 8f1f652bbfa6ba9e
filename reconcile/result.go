package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Result is what a pass has to say besides its error.
type Result struct {
	// RequeueAfter asks for another pass after this time: "not yet, and not an
	// error". An earlier Enqueue replaces it. It is ignored beside an error, for
	// then the backoff decides. There is no other way to say "again".
	RequeueAfter time.Duration
	// Progressed says that the pass changed the world before it ended, even if it
	// ended in an error. The backoff starts anew, so that a long way with a failure
	// here and there does not end in five-minute pauses.
	Progressed bool
}

// Reconciler makes the world agree with what is wanted for one name.
type Reconciler interface {
	// Reconcile runs one pass. It is never called twice at once for one name, but
	// for different names at once. An error means "not as wanted, try again later";
	// Terminal(err) means "trying again is of no use until something changes".
	Reconcile(ctx context.Context, name string) (Result, error)
}

// Func is a function that is a Reconciler.
type Func func(ctx context.Context, name string) (Result, error)

// Reconcile calls f.
func (f Func) Reconcile(ctx context.Context, name string) (Result, error) { return f(ctx, name) }

// Terminal marks err as one that time does not heal: the name waits for an Enqueue
// instead of backing off. The text stays the same, and errors.Is and errors.As see
// through the mark. Terminal(nil) is nil.
func Terminal(err error) error {
	if err == nil {
		return nil
	}
	return &terminalError{err}
}

// IsTerminal reports whether err, or an error that it wraps, was marked by Terminal.
func IsTerminal(err error) bool {
	var terminal *terminalError
	return errors.As(err, &terminal)
}

type terminalError struct{ err error }

func (e *terminalError) Error() string { return e.err.Error() }
func (e *terminalError) Unwrap() error { return e.err }

// PanicError is the error of a pass that panicked.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Stack is the stack of the pass at that moment. The engine logs it once; it is
	// not part of Error, so that it does not travel into statuses and events.
	Stack []byte
}

// Error names the panic without its stack.
func (e *PanicError) Error() string { return fmt.Sprintf("recovering from a panic: %v", e.Value) }

// Unwrap gives the error that was given to panic, if it was one.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// ErrPassTimeout is found (errors.Is) in the error of a pass that failed after its
// deadline, Options.PassTimeout, had passed.
var ErrPassTimeout = errors.New("the pass ran out of time")

// ErrDrainTimeout is the cause (context.Cause) of the cancelled context of a pass
// that was still running Options.DrainTimeout after the controller was asked to stop.
var ErrDrainTimeout = errors.New("the controller stops and the pass did not end in time")
