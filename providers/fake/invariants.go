package fake

import (
	"errors"
	"fmt"
	"slices"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// CheckInvariants lists what broke DESIGN's invariants 1, 2, 3, 4, 6 and 7 so far, in
// the order in which it happened; empty is good. A violation is noted when a provider
// call causes it, so harm done by a test (a root deleted by hand) is never counted.
func CheckInvariants(w *World) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.watch.violations)
}

// BeginPass tells the world that a new pass begins: only then can it see that something
// was removed in a pass in which an observation had failed (invariant 6). For one
// controller working on one service at a time.
func (w *World) BeginPass() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch.newPass()
	w.watch.passes = true
}

// watch remembers what the invariants need to know of the past.
type watch struct {
	violations []string
	passes     bool
	// failed is the first observation of this pass that failed.
	failed string
	// good is each service's last soaked instance, and its store path.
	good map[string]goodInstance
}

type goodInstance struct{ instance, storePath string }

func (x *watch) broken(format string, args ...any) {
	x.violations = append(x.violations, fmt.Sprintf(format, args...))
}

func (x *watch) newPass() { x.failed = "" }

// removals are the calls that invariant 6 forbids after a failed observation.
var removals = [...]string{"closures.Unroot", "units.Stop", "units.Remove", "releases.Discard", "releases.Tidy", "releases.Forget", "routes.Remove", "leftovers.Clear"}

// seen looks at every call with its answer.
func (x *watch) seen(c Call, err error) {
	if !x.passes {
		return
	}
	if !c.Effect {
		if err != nil && x.failed == "" && !refused(err) {
			x.failed = c.String()
		}
		return
	}
	if x.failed != "" && slices.Contains(removals[:], c.Method) {
		x.broken("6: %s, though %s had failed in this pass", c, x.failed)
	}
}

func (x *watch) judged(service string, v v1.Verdict, storePath string) {
	if v.Result != v1.VerdictSoaked {
		return
	}
	if x.good == nil {
		x.good = map[string]goodInstance{}
	}
	x.good[service] = goodInstance{v.Instance, storePath}
}

// watchInterruption is invariant 1, at a stop or a restart of a slot, and 4 at a start.
func (w *World) watchInterruption(u *Unit, done string) {
	f := w.files(u.service)
	if _, staged := f.pointed(u.slot); done == "started" && staged != nil && staged.Verdict != nil && staged.Verdict.Result == v1.VerdictBad {
		w.watch.broken("4: %s was started with %s, which is bad", v1.UnitName(u.service, u.slot), staged.Instance)
	}
	_, routed := w.Caddy.Routes[u.service]
	serves := u.process != nil && f.upstream == address(u.process.port) && w.well(u) && !f.isBad(u.process.instance)
	if serves && routed && (done == "stopped" || w.Overlap[u.service]) {
		w.watch.broken("1: %s was %s while it served and was well", v1.UnitName(u.service, u.slot), done)
	}
}

// isBad reports whether the instance was judged so: it is stopped, however well it may look.
func (f *serviceFiles) isBad(instance string) bool {
	v := f.staged[instance].Verdict
	return v != nil && v.Result == v1.VerdictBad
}

// watchRoot is invariants 2 and 3, after a root has left that path.
func (w *World) watchRoot(storePath string) {
	if storePath == "" || w.rooted(storePath) {
		return
	}
	for name, u := range w.units {
		if u.process != nil && u.process.release.StorePath == storePath {
			w.watch.broken("2: %s runs %s, which lost its root", v1.UnitName(name.Service, name.Slot), storePath)
		}
	}
	for service, g := range w.watch.good {
		if g.storePath == storePath && w.exists(service) {
			w.watch.broken("3: %s, the last good release of %s, lost its root", g.instance, service)
		}
	}
}

// watchDiscard is invariant 3 for a directory, or for all of a service's.
func (w *World) watchDiscard(service, instance string) {
	g, ok := w.watch.good[service]
	if !ok || instance != "" && instance != g.instance {
		return
	}
	if w.exists(service) {
		w.watch.broken("3: %s, the last good release of %s, was discarded", g.instance, service)
	}
	delete(w.watch.good, service)
}

// exists: it still has a unit of ours. A service that is being removed loses its units
// before its releases.
func (w *World) exists(service string) bool {
	for _, slot := range []v1.Slot{v1.Primary, v1.Standby} {
		if u := w.unit(service, slot); u != nil && !u.Foreign {
			return true
		}
	}
	return false
}

// refused reports an answer that is certain although it is an error: absent, unchanged,
// or a fault that says exactly what is wrong.
func refused(err error) bool {
	var f *providers.Fault
	switch {
	case errors.Is(err, providers.ErrUnavailable):
		return false
	case errors.Is(err, providers.ErrNotFound), errors.Is(err, providers.ErrNotModified), errors.Is(err, providers.ErrConflict):
		return true
	}
	return errors.As(err, &f)
}
