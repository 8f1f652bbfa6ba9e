package fake

import (
	"context"
	"fmt"
	"strings"

	"deployer/providers"
)

// Call is one call of a provider.
type Call struct {
	// Method is interface and method: "units.Start".
	Method string
	// Args are what names the object: "web", "primary". Unused ones are empty.
	Args [3]string
	// Effect: it changes the world (or may); otherwise it is an observation.
	Effect bool
}

// String is the call as one line: "units.Start web primary".
func (c Call) String() string {
	line := c.Method
	for _, a := range c.Args {
		if a != "" {
			line += " " + a
		}
	}
	return line
}

// look makes an observation's Call.
func look(method string, args ...string) Call { return call(method, args) }

// act makes an effect's Call.
func act(method string, args ...string) Call {
	c := call(method, args)
	c.Effect = true
	return c
}

func call(method string, args []string) Call {
	c := Call{Method: method}
	copy(c.Args[:], args)
	return c
}

// run is the one way into the world: log, fault, crash before, do, crash after.
func (w *World) run(ctx context.Context, c Call, do func() error) error {
	err := w.runLocked(ctx, c, do)
	if w.AfterCall != nil {
		w.AfterCall(c.String())
	}
	return err
}

func (w *World) runLocked(ctx context.Context, c Call, do func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w: %w", c, providers.ErrUnavailable, err)
	}
	if !w.Quiet {
		w.calls = append(w.calls, c)
	}
	f := w.faultOf(c)
	if f != nil && !f.after {
		w.watch.seen(c, f.err)
		return f.err
	}
	w.crashIf(Before, c)
	err := do()
	w.crashIf(After, c)
	if f != nil && err == nil {
		err = f.err
	}
	w.watch.seen(c, err)
	return err
}

// Calls is the log, oldest first.
func (w *World) Calls() []string {
	return w.lines(func(Call) bool { return true })
}

// Effects is the log of the calls that change things.
func (w *World) Effects() []string {
	return w.lines(func(c Call) bool { return c.Effect })
}

func (w *World) lines(keep func(Call) bool) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := []string{}
	for _, c := range w.calls {
		if keep(c) {
			out = append(out, c.String())
		}
	}
	return out
}

// ForgetCalls empties the log.
func (w *World) ForgetCalls() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = nil
}

// matches: a fault for "units.Start" meets every start, one for "units.Start web" those
// of web.
func matches(pattern, line string) bool {
	return line == pattern || strings.HasPrefix(line, pattern+" ")
}
