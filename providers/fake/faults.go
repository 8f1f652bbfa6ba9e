package fake

import (
	"fmt"
	"slices"
)

// fault makes calls fail.
type fault struct {
	pattern string
	err     error
	once    bool
	// after: the effect happens, only the answer is the error.
	after bool
}

// FailNext makes the next matching call fail, with nothing done. The pattern is a method
// ("units.Start") or the beginning of a call's line ("units.Start web").
func (w *World) FailNext(pattern string, err error) {
	w.addFault(fault{pattern: pattern, err: err, once: true})
}

// Fail makes every matching call fail until Heal.
func (w *World) Fail(pattern string, err error) { w.addFault(fault{pattern: pattern, err: err}) }

// LoseAnswer lets the next matching call do its work and then fail all the same: a
// deadline that passed, a connection that broke.
func (w *World) LoseAnswer(pattern string, err error) {
	w.addFault(fault{pattern: pattern, err: err, once: true, after: true})
}

// Heal takes back every fault with that pattern; "" takes back all.
func (w *World) Heal(pattern string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = slices.DeleteFunc(w.faults, func(f fault) bool { return pattern == "" || f.pattern == pattern })
}

func (w *World) addFault(f fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, f)
}

// faultOf is the first fault that meets the call; one for a single call is used up.
func (w *World) faultOf(c Call) *fault {
	if len(w.faults) == 0 {
		return nil
	}
	line := c.String()
	for i, f := range w.faults {
		if !matches(f.pattern, line) {
			continue
		}
		if f.once {
			w.faults = slices.Delete(w.faults, i, i+1)
		}
		return &f
	}
	return nil
}

// When says on which side of its effect a call crashes.
type When string

// Before: the effect is not done. After: it is done, but nobody got the answer.
const (
	Before When = "before"
	After  When = "after"
)

// Crash is what a crash point panics with: the daemon is dead, the world goes on.
type Crash struct {
	// N is the number of the effect, from 1.
	N    int
	When When
	Call string
}

// String is for the failure message of a crash matrix.
func (c Crash) String() string { return fmt.Sprintf("crash %s effect %d, %s", c.When, c.N, c.Call) }

type crashPoint struct {
	at, seen int
	when     When
}

// CrashAt panics with a Crash at the n-th effect from now on, counted from 1, once.
// Recover it, build a new controller on the same World, and go on. 0 disarms. An n
// beyond the last effect never fires: that ends a matrix.
func (w *World) CrashAt(n int, when When) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.crash = crashPoint{at: n, when: when}
}

func (w *World) crashIf(when When, c Call) {
	if !c.Effect || w.crash.at == 0 {
		return
	}
	if when == Before {
		w.crash.seen++
	}
	if w.crash.seen != w.crash.at || w.crash.when != when {
		return
	}
	point := Crash{N: w.crash.seen, When: when, Call: c.String()}
	w.crash = crashPoint{}
	w.watch.newPass()
	panic(point)
}
