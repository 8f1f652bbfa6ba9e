package sweep

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// Options of a Sweeper. Host, Desired, Certain and Services are required.
type Options struct {
	Host providers.Host
	// HostName goes into events.
	HostName string
	// Desired gives what the manifest in force wants of a name here.
	Desired func(name string) v1.Assignment
	// Certain is nil while Desired is what the store wants, and else says why not.
	Certain func() error
	// Services is the reconciler whose turns the sweep shares.
	Services reconcile.Reconciler
	// Times; the zero value is DefaultTimes.
	Times Times
	Now   func() time.Time
}

// Times say how patient the sweep is.
type Times struct {
	// After is the time from the start to the first look, Every that between two.
	After, Every time.Duration
	// Grace is for how long a thing must have been unwanted before it goes.
	Grace time.Duration
}

// DefaultTimes are those of a daemon that nobody configured.
func DefaultTimes() Times {
	return Times{After: 5 * time.Minute, Every: time.Hour, Grace: 10 * time.Minute}
}

// Sweeper is a Source of names with something unwanted, and the Reconciler that removes it
// before the service's own pass.
type Sweeper struct {
	o     Options
	noted noted
}

var (
	_ reconcile.Source     = (*Sweeper)(nil)
	_ reconcile.Reconciler = (*Sweeper)(nil)
)

// New makes a Sweeper.
func New(o Options) *Sweeper {
	if o.Times == (Times{}) {
		o.Times = DefaultTimes()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sweeper{o: o, noted: noted{seen: map[string]map[string]sighting{}, due: map[string]bool{}}}
}

// Run looks now and then until ctx ends, and enqueues the names of which something may go.
func (s *Sweeper) Run(ctx context.Context, q reconcile.Queue) error {
	wait, said := s.o.Times.After, ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		due, err := s.Look(ctx)
		if err == nil {
			said = ""
		} else if text := err.Error(); text != said && ctx.Err() == nil {
			said = text
			logr.FromContextOrDiscard(ctx).Info("nothing is swept for now", "reason", text)
		}
		for _, name := range due {
			q.Enqueue(name)
		}
		wait = s.o.Times.Every
		if s.noted.any() {
			wait = min(wait, s.o.Times.Grace)
		}
	}
}

// Look notes what nobody wants, and gives the names of which something has been unwanted
// for long enough. An error means that nothing was noted.
func (s *Sweeper) Look(ctx context.Context) (due []string, err error) {
	if err := s.o.Certain(); err != nil {
		return nil, err
	}
	h, err := s.survey(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string][]sighting{}
	now := s.o.Now()
	for _, name := range h.names() {
		f, err := s.look(ctx, h, name)
		if err != nil {
			return nil, err
		}
		for _, t := range unwanted(f) {
			found[name] = append(found[name], sighting{key: t.key(), wish: f.wish(), at: now})
		}
	}
	return s.noted.update(found, s.o.Times.Grace, now), nil
}

// Reconcile sweeps what is due of a name, and makes the service's own pass. That the sweep
// fails keeps no service from its pass: the next look comes back to it.
func (s *Sweeper) Reconcile(ctx context.Context, name string) (reconcile.Result, error) {
	if s.noted.take(name) {
		if err := s.sweep(ctx, name); err != nil {
			logr.FromContextOrDiscard(ctx).Error(err, "sweeping what nobody wants", "service", name)
		}
	}
	return s.o.Services.Reconcile(ctx, name)
}

// sweep looks again, for much may have happened since, and removes what is still unwanted
// and was for long enough.
func (s *Sweeper) sweep(ctx context.Context, name string) error {
	if err := s.o.Certain(); err != nil {
		return err
	}
	h, err := s.survey(ctx)
	if err != nil {
		return err
	}
	f, err := s.look(ctx, h, name)
	if err != nil {
		return err
	}
	now := s.o.Now()
	for _, t := range unwanted(f) {
		if !s.noted.ripe(name, sighting{key: t.key(), wish: f.wish(), at: now}, s.o.Times.Grace) {
			continue
		}
		if err := t.remove(ctx); err != nil {
			return fmt.Errorf("removing the %s: %w", t, err)
		}
		s.tell(ctx, f, t)
	}
	return nil
}

// tell records what was removed. An event that cannot be written is in the journal.
func (s *Sweeper) tell(ctx context.Context, f *facts, t thing) {
	e := v1.Event{
		APIVersion: v1.APIVersion, Kind: v1.KindEvent, Time: s.o.Now().UTC(), Host: s.o.HostName,
		Service: f.name, Generation: f.assignment.Generation, Step: "sweep", Type: v1.EventNormal,
		Reason: "Swept", Message: fmt.Sprintf("removed the %s: %s", t, t.why),
	}
	log := logr.FromContextOrDiscard(ctx)
	log.Info("event", "service", e.Service, "step", e.Step, "reason", e.Reason, "message", e.Message)
	if err := s.o.Host.States.Record(ctx, e); err != nil {
		log.Error(err, "recording an event")
	}
}
