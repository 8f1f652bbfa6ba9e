package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-logr/logr"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// Options of a Reconciler. Host and Desired are required.
type Options struct {
	Host providers.Host
	// HostName goes into events.
	HostName string
	// Desired gives what the manifest in force wants of a name here.
	Desired func(name string) v1.Assignment
	// Held gives the hold of this host on a service, beside that of the manifest; nil for
	// none.
	Held func(service string) *v1.Hold
	// Fleet asks whether the other hosts let this one start a revision of which it has
	// nothing yet: nil is yes, and a *providers.Fault says why not. It may take a moment.
	Fleet func(ctx context.Context, service, revision string) error
	// Successor names the service that takes the place of one that goes, until that one
	// serves; empty when there is none.
	Successor func(old Place) string
	// Report takes the service's state when it changed; Gone is told, once, that nothing is
	// left of a service that was reported.
	Report func(name string, state v1.ServiceState)
	Gone   func(name string)
	// OnStep is told how long each step took, for metrics.
	OnStep func(step string, took time.Duration, err error)
	Now    func() time.Time
}

// Place is where requests to a service came in: domain and path, and the port behind them.
type Place struct {
	Service, Route string
	Port           int
}

// Reconciler makes one service at a time agree with the manifest. It implements
// reconcile.Reconciler; the names are service names.
type Reconciler struct {
	host     providers.Host
	hostName string
	desired  func(string) v1.Assignment
	// heldHere, fleet and successor are the options'.
	heldHere  func(string) *v1.Hold
	fleet     func(context.Context, string, string) error
	successor func(Place) string
	report    func(string, v1.ServiceState)
	gone      func(string)
	onStep    func(string, time.Duration, error)
	now       func() time.Time
	memories  memories
}

var _ reconcile.Reconciler = (*Reconciler)(nil)

// New makes a Reconciler.
func New(o Options) *Reconciler {
	r := &Reconciler{
		host: o.Host, hostName: o.HostName, desired: o.Desired,
		heldHere: o.Held, fleet: o.Fleet, successor: o.Successor, report: o.Report, gone: o.Gone, onStep: o.OnStep, now: o.Now,
		memories: memories{all: map[string]memory{}},
	}
	if r.heldHere == nil {
		r.heldHere = func(string) *v1.Hold { return nil }
	}
	if r.fleet == nil {
		r.fleet = func(context.Context, string, string) error { return nil }
	}
	if r.successor == nil {
		r.successor = func(Place) string { return "" }
	}
	if r.report == nil {
		r.report = func(string, v1.ServiceState) {}
	}
	if r.gone == nil {
		r.gone = func(string) {}
	}
	if r.onStep == nil {
		r.onStep = func(string, time.Duration, error) {}
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r
}

// unwellRecheck is how soon a service that answers badly, and needs nothing done, is
// looked at again.
const unwellRecheck = 2 * time.Second

// Reconcile is one pass. Whatever its end, the summary tells of it. A pass that waits
// keeps to its own time: the errors of side steps are shown, and wait with it.
func (r *Reconciler) Reconcile(ctx context.Context, name string) (reconcile.Result, error) {
	m := r.memories.load(name)
	s, result, err := r.pass(ctx, name, m)
	// A pass that was cut off because the daemon stops has seen nothing worth telling.
	if !errors.Is(context.Cause(ctx), reconcile.ErrDrainTimeout) {
		r.summarise(ctx, s, err)
	}
	if m.reported() || s.Assignment.Kind == v1.Assigned {
		r.memories.save(name, m)
	} else {
		r.memories.forget(name)
	}
	if result.RequeueAfter > 0 {
		return result, nil
	}
	return result, err
}

// pass runs one step after the other until nothing is left, a step says "not yet", or
// one fails. The Scope is that of the last round.
func (r *Reconciler) pass(ctx context.Context, name string, m *memory) (*Scope, reconcile.Result, error) {
	var result reconcile.Result
	var taken []string
	for {
		s, err := r.observe(ctx, name, m)
		if err != nil {
			s.unobserved = true
			return s, result, err
		}
		step, about := Next(s)
		if step == nil {
			result.RequeueAfter = r.recheck(s)
			return s, result, together(s.unsettled(), s.sideErr())
		}
		r.announce(ctx, s)
		now := keyOf(step, about)
		var got reconcile.Result
		if slices.Contains(taken, now) {
			err = noEffect(step, about)
			result.Progressed = false
		} else {
			got, err = r.run(ctx, step, about)
		}
		switch {
		case errors.Is(err, errPreempted), isOwn(err) && about.onTrial():
			// Another round finds another target.
			taken = append(taken, now)
			continue
		case err != nil && m.sideStep(step, about, err):
			continue
		case err != nil:
			if side := s.sideErr(); side != nil && reconcile.IsTerminal(err) {
				// What failed beside it is worth another try.
				result.RequeueAfter = unwellRecheck
			}
			return s, result, together(err, s.sideErr())
		case got.RequeueAfter > 0:
			result.RequeueAfter = got.RequeueAfter
			return s, result, s.sideErr()
		}
		r.noteHealed(ctx, s, step, about)
		result.Progressed, taken = true, append(taken, now)
	}
}

// keyOf tells the steps of a pass apart.
func keyOf(step Step, about *Scope) string {
	return step.Name() + " " + string(slotOf(step)) + " " + about.instance()
}

// slotOf is the slot that a step is for; empty for none.
func slotOf(step Step) v1.Slot {
	if in, ok := step.(slotted); ok {
		return in.of()
	}
	return ""
}

// inSlot says that a step is for the standby: the other slot goes without saying.
func inSlot(step Step) string {
	if slotOf(step) == v1.Standby {
		return "in the standby slot: "
	}
	return ""
}

// onTrial: the target is what the manifest wants, and has not been judged.
func (s *Scope) onTrial() bool {
	return s.Target != nil && s.Target.Wanted && s.verdict(s.instance()) == ""
}

// sideStep reports whether the pass may go on after this step failed: keeping the old
// release up must not keep a fix from coming, and a Caddy that refuses a route must not
// keep a service from starting.
func (m *memory) sideStep(step Step, about *Scope, err error) bool {
	switch {
	case about.Keep != nil && about.Target == about.Keep:
		m.keepErr = err
		return true
	case step.Name() == stepRoute{}.Name():
		m.routeErr = err
		return true
	}
	return false
}

// sideErr are the failures of side steps that still matter: those of the last good
// release do not, once another one has its place.
func (s *Scope) sideErr() error {
	if s.Keep == nil {
		return s.memory.routeErr
	}
	return together(s.memory.keepErr, s.memory.routeErr)
}

// run records the intent of a step, and then takes it.
func (r *Reconciler) run(ctx context.Context, step Step, s *Scope) (reconcile.Result, error) {
	log := logr.FromContextOrDiscard(ctx).WithValues("service", s.Name, "step", step.Name())
	if s.Target != nil {
		log = log.WithValues("revision", s.Target.Instance.Revision)
	}
	r.tellOf(ctx, s, slotOf(step), v1.Event{
		Step: step.Name(), Type: v1.EventNormal, Reason: intent(step), Message: inSlot(step) + step.Why(s),
	})
	began := time.Now()
	ctx, done := r.preemptible(logr.NewContext(ctx, log), step, s)
	result, err := step.Run(ctx, s)
	err = errors.Join(done(), err)
	took := time.Since(began)
	r.onStep(step.Name(), took, err)
	if err != nil {
		return result, fmt.Errorf("%s: %w", step.Name(), err)
	}
	if result.RequeueAfter == 0 {
		log.Info("changed the host", "duration", took.String())
	}
	return result, nil
}

// recheck is when to look again at a service that needs nothing done: soon while it
// answers badly, at the end of a hold, else with the next full pass.
func (r *Reconciler) recheck(s *Scope) time.Duration {
	if s.unit(v1.Primary).Running() && s.Facts.Primary.Probe.Reason != "" {
		return unwellRecheck
	}
	return s.lapse()
}

// unsettled is the reason to come back with when no step is left: what could not be
// observed, and what keeps the service from being touched. A hold is nobody's fault, and
// what is not in the manifest nobody's business.
func (s *Scope) unsettled() error {
	if s.held() || s.Assignment.Kind == v1.Absent {
		return nil
	}
	if s.Blocked == nil && s.uncertain() == nil {
		return nil
	}
	now := together(s.Blocked, s.Facts.RouteErr, s.Facts.Primary.ProbeErr, s.Facts.Standby.ProbeErr)
	if doubt := s.uncertain(); now == nil && !isCertain(doubt) {
		return doubt
	}
	return now
}
