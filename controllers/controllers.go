// Package controllers wires the decisions of one host together. New is the one list of
// what runs: read it first.
package controllers

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
	"deployer/controllers/notify"
	"deployer/controllers/report"
	"deployer/controllers/service"
	"deployer/controllers/sweep"
	"deployer/controllers/verify"
	"deployer/controllers/watch"
	"deployer/providers"
	"deployer/reconcile"
)

// Options of the controllers of a host. Host, HostName and Repository are required.
type Options struct {
	Host       providers.Host
	HostName   string
	Repository *manifest.Repository
	// Objects is the store, for this host's report and those of the others; nil keeps this
	// host to itself.
	Objects providers.Objects
	// Silent keeps this host's report out of the store.
	Silent bool
	// Messengers hear of what goes wrong, and when it is over.
	Messengers []providers.Messenger
	// Version of this program, for reports.
	Version string
	// Workers is how many services are worked on at once, FullPass how often everything is
	// looked at, Pace how often the manifest is.
	Workers  int
	FullPass time.Duration
	Pace     manifest.Pace
	// Sweep says how patient the sweep is; the zero value is sweep.DefaultTimes.
	Sweep sweep.Times
	// Verify is the pace of the looks at the content of store paths; the zero value is none.
	Verify verify.Times
	// Watchers makes what tells of changes on the host as they happen, for the services that
	// the Set knows. Without it they are found by the full pass.
	Watchers func(*Set) []providers.Watcher
	// Metrics hears of passes, OnStep of steps.
	Metrics reconcile.Metrics
	OnStep  func(step string, took time.Duration, err error)
	Logger  logr.Logger
	Now     func() time.Time
}

// Set is all that runs on a host.
type Set struct {
	Board    *report.Board
	Source   *manifest.Source
	Services *service.Reconciler
	Sweeper  *sweep.Sweeper
	Verifier *verify.Verifier
	Engine   *reconcile.Controller

	options    Options
	holds      holds
	pacer      *watch.Pacer
	neighbours *neighbours
	notifier   *notify.Notifier
	// generation is the one that was in force at the last look.
	generation atomic.Int64
	// stale is whether the manifest was, at the last look.
	stale atomic.Bool
}

// passTimeout bounds one pass; a pull has its own, shorter one.
const passTimeout = 45 * time.Minute

// New wires everything. Nothing runs yet.
func New(o Options) *Set {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Set{options: o, holds: holds{store: o.Host.Holds}}

	s.Board = report.New(report.Options{Host: o.HostName, Daemon: o.Version, States: o.Host.States, Now: o.Now})

	s.Source = manifest.NewSource(manifest.SourceOptions{
		Repository: o.Repository, States: o.Host.States, Host: o.HostName, Pace: o.Pace,
		Names: s.onHost, OnChange: s.manifestChanged, Now: o.Now,
	})

	s.notifier = notify.New(notify.Options{Host: o.HostName, Messengers: o.Messengers, Now: o.Now})

	hear := neighbourOptions{
		objects: o.Objects, host: o.HostName, manifest: s.Source.Manifest, enqueue: func(name string) { s.Engine.Enqueue(name) }, every: o.Pace.Min, now: o.Now,
	}
	if s.notifier.Active() {
		hear.silent, hear.back = s.notifier.HostSilent, s.notifier.HostBack
	}
	s.neighbours = newNeighbours(hear)

	s.Services = service.New(service.Options{
		Host: o.Host, HostName: o.HostName, Desired: s.Source.Lookup, Held: s.held, OnStep: o.OnStep, Fleet: s.askFleet,
		Successor: s.successor,
		Report:    s.reported, Gone: s.gone,
	})

	s.Sweeper = sweep.New(sweep.Options{
		Host: o.Host, HostName: o.HostName, Desired: s.Source.Lookup, Certain: s.Source.Certain, Services: s.Services, Times: o.Sweep,
	})

	s.Verifier = verify.New(verify.Options{
		Closures: o.Host.Closures, InForce: func() []string { return verify.InForce(s.Board.Snapshot()) },
		Tell: s.Board.Verified, Record: s.recordOfHost, Times: o.Verify, Now: o.Now,
	})

	s.pacer = watch.New(watch.Options{Known: s.known, Generation: func(name string) int64 { return s.Source.Lookup(name).Generation }})

	s.Engine = reconcile.New(s.pacer.Around(s.Sweeper), reconcile.Options{
		Name: "service", Workers: o.Workers, PassTimeout: passTimeout, Metrics: o.Metrics, Logger: o.Logger,
		DrainTimeout: 20 * time.Second, OnPass: s.passed,
	})
	return s
}

// Load puts the manifest that the last daemon obeyed in force, with the holds of this host,
// and tells of it: the first answer of the store may take its time.
func (s *Set) Load(ctx context.Context) error {
	err := errors.Join(s.holds.load(ctx), s.Source.Load(ctx))
	if last, lastErr := s.options.Host.States.LoadState(ctx); lastErr == nil {
		s.notifier.Remember(last) // without it, what is ill is told once more
	}
	status, _ := s.Source.Status()
	s.manifestChanged(status)
	for _, name := range s.names(ctx) {
		if s.Source.Lookup(name).Kind == v1.Assigned {
			s.Board.Expect(name)
		}
	}
	return err
}

// Run works until ctx ends, lets the passes that run end, and writes the last report.
func (s *Set) Run(ctx context.Context) error {
	ctx = logr.NewContext(ctx, s.options.Logger)
	var reporting sync.WaitGroup
	reportCtx, stopReporting := context.WithCancel(context.WithoutCancel(ctx))
	reporting.Go(func() { s.Board.Run(reportCtx) })
	if s.notifier.Active() {
		reporting.Go(func() { s.notifier.Run(reportCtx) })
	}
	if s.options.Objects != nil {
		reporting.Go(func() { s.neighbours.run(reportCtx) })
	}
	if s.mayReport() {
		reporting.Go(func() {
			report.NewPublisher(report.PublisherOptions{Board: s.Board, Objects: s.options.Objects}).Run(reportCtx)
		})
	}

	reporting.Go(func() { s.Verifier.Run(ctx) })

	sources := []reconcile.Source{
		s.Source, s.Sweeper,
		reconcile.Ticker{Every: s.options.FullPass, Jitter: 0.1, Names: func() []string { return s.names(ctx) }},
	}
	if s.options.Watchers != nil {
		for _, w := range s.options.Watchers(s) {
			sources = append(sources, s.pacer.Source(w))
		}
	}
	err := s.Engine.Run(ctx, sources...)
	stopReporting()
	reporting.Wait()
	return err
}

// Sync looks at the manifest now, and asks for a pass of everything.
func (s *Set) Sync(ctx context.Context) error {
	_, err := s.Source.Sync(ctx)
	for _, name := range s.names(ctx) {
		s.Engine.Enqueue(name)
	}
	return err
}

// Once looks at the manifest and makes passes of every service until each is as wanted,
// has failed, or is still waiting at the deadline of ctx. It is the daemon's work without
// the daemon, and without the sweep, which needs to see things for a while.
func (s *Set) Once(ctx context.Context) error {
	ctx = logr.NewContext(ctx, s.options.Logger)
	_, err := s.Source.Sync(ctx)
	problems := []error{err}
	var wg sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, max(s.options.Workers, 1))
	for _, name := range s.names(ctx) {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := s.settle(ctx, name); err != nil {
				mu.Lock()
				problems = append(problems, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := s.options.Host.States.SaveState(ctx, s.Board.Snapshot()); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// settle makes passes of one service until nothing is left to do or to wait for.
func (s *Set) settle(ctx context.Context, name string) error {
	for {
		result, err := s.Services.Reconcile(ctx, name)
		if err != nil || result.RequeueAfter == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(result.RequeueAfter):
		}
	}
}

// Plan tells what the next pass of each service would do.
func (s *Set) Plan(ctx context.Context, only string) ([]service.Plan, error) {
	var plans []service.Plan
	var problems []error
	for _, name := range s.names(ctx) {
		if only != "" && name != only {
			continue
		}
		p, err := s.Services.Plan(ctx, name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if p.State == v1.Removing && len(p.Steps) == 0 {
			continue // removed long ago, or never here
		}
		plans = append(plans, p)
	}
	return plans, errors.Join(problems...)
}

// names are all services of the manifest and of the host, in order.
func (s *Set) names(ctx context.Context) []string {
	names, err := s.Source.AllNames(ctx)
	if err != nil {
		s.options.Logger.Error(err, "listing the services of this host")
	}
	slices.Sort(names)
	return names
}

// onHost are the services that this host has something of, wanted or not.
func (s *Set) onHost(ctx context.Context) ([]string, error) {
	names, err := s.options.Host.Releases.Services(ctx)
	units, unitsErr := s.options.Host.Units.Owned(ctx)
	for _, u := range units {
		names = append(names, u.Service)
	}
	return names, errors.Join(err, unitsErr)
}

func (s *Set) manifestChanged(status v1.ManifestStatus) {
	_, problem := s.Source.Status()
	m := s.Source.Manifest()
	s.Board.Manifest(status, m, problem)
	stale := status.StaleSince != nil
	back := s.stale.Swap(stale) && !stale
	newer := false
	if m != nil {
		before := s.generation.Swap(m.Generation)
		newer = before != 0 && before != m.Generation
	}
	if !back && !newer {
		return
	}
	// The store is back: what waited for it has waited long enough. Or there is a newer
	// manifest: people wait for each service's word on it, also where nothing changes.
	for _, name := range s.names(context.Background()) {
		s.Engine.Enqueue(name)
	}
}

func (s *Set) passed(name string, _ reconcile.Result, err error) { s.Board.Tried(name, err) }
