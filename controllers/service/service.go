package service

import (
	"context"
	"errors"
	"fmt"
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
	// Report takes the service's state when it changed; gone means that nothing is left of it.
	Report func(name string, state v1.ServiceState, gone bool)
	// OnStep is told how long each step took, for metrics.
	OnStep func(step string, took time.Duration, err error)
	Now    func() time.Time
}

// Reconciler makes one service at a time agree with the manifest. It implements
// reconcile.Reconciler; the names are service names.
type Reconciler struct {
	host     providers.Host
	hostName string
	desired  func(string) v1.Assignment
	report   func(string, v1.ServiceState, bool)
	onStep   func(string, time.Duration, error)
	now      func() time.Time
	memories memories
}

var _ reconcile.Reconciler = (*Reconciler)(nil)

// New makes a Reconciler.
func New(o Options) *Reconciler {
	r := &Reconciler{
		host: o.Host, hostName: o.HostName, desired: o.Desired, report: o.Report, onStep: o.OnStep, now: o.Now,
		memories: memories{all: map[string]*memory{}},
	}
	if r.report == nil {
		r.report = func(string, v1.ServiceState, bool) {}
	}
	if r.onStep == nil {
		r.onStep = func(string, time.Duration, error) {}
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r
}

// unwellRecheck is how soon a settled service that answers badly is looked at again.
const unwellRecheck = 2 * time.Second

// Reconcile is one pass. Whatever its end, the summary tells of it.
func (r *Reconciler) Reconcile(ctx context.Context, name string) (reconcile.Result, error) {
	m := r.memories.of(name)
	m.keepFailed, m.routeFailed = false, false
	s, result, err := r.pass(ctx, name, m)
	r.summarise(ctx, name, s, err)
	return result, err
}

// pass runs one step after the other until nothing is left, a step says "not yet", or
// one fails.
func (r *Reconciler) pass(ctx context.Context, name string, m *memory) (*Scope, reconcile.Result, error) {
	var result reconcile.Result
	var sideErrs []error
	last := ""
	for {
		s, err := r.observe(ctx, name, m)
		if err != nil {
			return nil, result, err
		}
		step, about := Next(s)
		if step == nil {
			result.RequeueAfter = r.recheck(s)
			return s, result, errors.Join(append(sideErrs, s.Facts.RouteErr, s.unheld())...)
		}
		now := step.Name() + " " + about.instance()
		if now == last {
			return s, result, errors.Join(append(sideErrs, noEffect(step, about))...)
		}
		got, err := r.run(ctx, step, about)
		switch {
		case err != nil && r.sideStep(step, about):
			sideErrs = append(sideErrs, err)
			continue
		case err != nil:
			return s, result, errors.Join(append(sideErrs, err)...)
		case got.RequeueAfter > 0:
			result.RequeueAfter = got.RequeueAfter
			return s, result, errors.Join(sideErrs...)
		}
		result.Progressed, last = true, now
	}
}

// sideStep reports whether the pass may go on after this step failed: keeping the old
// release up must not keep a fix from coming, and a Caddy that refuses a route must not
// keep a service from starting.
func (r *Reconciler) sideStep(step Step, about *Scope) bool {
	switch {
	case about.Keep != nil && about.Target == about.Keep:
		about.memory.keepFailed = true
		return true
	case step.Name() == stepRoute{}.Name():
		about.memory.routeFailed = true
		return true
	}
	return false
}

// run records the intent of a step, and then takes it.
func (r *Reconciler) run(ctx context.Context, step Step, s *Scope) (reconcile.Result, error) {
	log := logr.FromContextOrDiscard(ctx).WithValues("service", s.Name, "step", step.Name())
	if s.Target != nil {
		log = log.WithValues("revision", s.Target.Instance.Revision)
	}
	r.tell(ctx, s, v1.Event{Step: step.Name(), Type: v1.EventNormal, Reason: intent(step), Message: step.Why(s)})
	began := time.Now()
	result, err := step.Run(logr.NewContext(ctx, log), s)
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
// answers badly, else with the next full pass.
func (r *Reconciler) recheck(s *Scope) time.Duration {
	if s.primary().Running() && s.Facts.Probe.Reason != "" {
		return unwellRecheck
	}
	return 0
}

// unheld is the reason to come back with: a service that is not to be touched is not in
// order, but a hold is nobody's fault.
func (s *Scope) unheld() error {
	if s.held() || s.Blocked == nil {
		return nil
	}
	return s.Blocked
}

func (s *Scope) instance() string {
	if s.Target == nil {
		return ""
	}
	return s.Target.Instance.String()
}

// noEffect is the error of a step that was taken and shows no effect: the next one would
// be the same again. A program that ends as soon as it is started looks like this.
func noEffect(step Step, s *Scope) error {
	if step.Name() == (stepStart{}).Name() {
		return &providers.Fault{
			Reason: "Exited", Own: true,
			Message: fmt.Sprintf("%s ended as soon as it was started (%s); look at `deployerctl logs %s`",
				s.instance(), exitOf(s.primary()), s.Name),
		}
	}
	return &providers.Fault{
		Reason:  "NoEffect",
		Message: fmt.Sprintf("the step %s was taken, and shows no effect: %s", step.Name(), step.Why(s)),
	}
}

// exitOf says how a unit's process ended.
func exitOf(u providers.UnitFacts) string {
	switch {
	case u.Signal != "":
		return "signal " + u.Signal
	case u.ExitStatus != 0:
		return fmt.Sprintf("exit status %d", u.ExitStatus)
	case u.Result != "":
		return "result " + u.Result
	}
	return "no exit status known"
}
