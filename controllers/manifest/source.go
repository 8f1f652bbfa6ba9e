package manifest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/go-logr/logr"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// SourceOptions of a Source. Repository, States and Host are required.
type SourceOptions struct {
	Repository *Repository
	States     providers.States
	// Host is the name that this host answers to.
	Host string
	// Pace says how often to look; the zero value is DefaultPace.
	Pace Pace
	// Names lists what this host has, in the manifest or not; all of it is enqueued at the
	// start, before the first poll.
	Names func(ctx context.Context) ([]string, error)
	// OnChange is told after each look that changed the status.
	OnChange func(v1.ManifestStatus)
	Now      func() time.Time
}

// Source watches the manifest for a host. It implements reconcile.Source.
type Source struct {
	o    SourceOptions
	wake chan struct{}

	mu          sync.Mutex
	inForce     *Snapshot
	assignments map[string]v1.Assignment
	status      v1.ManifestStatus
	problem     error
	queue       reconcile.Queue

	// looking is held during a look: one at a time.
	looking sync.Mutex
}

var _ reconcile.Source = (*Source)(nil)

// NewSource makes a Source. Nothing is in force before Load.
func NewSource(o SourceOptions) *Source {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Pace == (Pace{}) {
		o.Pace = DefaultPace()
	}
	if o.OnChange == nil {
		o.OnChange = func(v1.ManifestStatus) {}
	}
	return &Source{
		o: o, wake: make(chan struct{}, 1),
		status: v1.ManifestStatus{Store: o.Repository.StoreName()},
	}
}

// Load puts the last valid manifest on disk in force, so that the host is looked after
// while the store is away. That there is none is not an error.
func (s *Source) Load(ctx context.Context) error {
	raw, err := s.o.States.LoadManifest(ctx)
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("loading the last manifest: %w", err)
	}
	m, err := v1.Decode(raw)
	if err != nil {
		return nil //nolint:nilerr // a damaged copy is no reason not to start: the store has the real one
	}
	s.obey(&Snapshot{Manifest: m, Raw: raw, Hash: m.Hash()})
	return nil
}

// Lookup says what the manifest in force wants of a name.
func (s *Source) Lookup(name string) v1.Assignment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.assignments[name]
}

// Status is where the manifest came from and how fresh it is; the error is why the store's
// present content is not in force, nil when it is.
func (s *Source) Status() (v1.ManifestStatus, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status, s.problem
}

// Manifest is the one in force; nil before there is one.
func (s *Source) Manifest() *v1.Manifest {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inForce == nil {
		return nil
	}
	return s.inForce.Manifest
}

// Run enqueues all names, and then polls until ctx ends.
func (s *Source) Run(ctx context.Context, q reconcile.Queue) error {
	if err := s.enqueueAll(ctx, q); err != nil {
		// The store and the disk may both be away at boot; the full pass comes again.
		logr.FromContextOrDiscard(ctx).Error(err, "listing the services of this host")
	}
	s.mu.Lock()
	s.queue = q
	s.mu.Unlock()
	var pacer pacer
	for {
		changed, err := s.look(ctx)
		if err != nil && ctx.Err() == nil {
			logr.FromContextOrDiscard(ctx).Info("the manifest is not read", "reason", providers.ReasonOf(err), "message", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-time.After(pacer.next(s.o.Pace, len(changed) > 0, err, s.o.Now())):
		}
	}
}

// Sync looks at once, enqueues what changed, and says why the store's content is not in
// force when it is not.
func (s *Source) Sync(ctx context.Context) (changed []string, err error) {
	return s.look(ctx)
}

// Wake asks for a look at once, and does not wait.
func (s *Source) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// look reads the store once, and enqueues and gives the names whose assignment changed.
func (s *Source) look(ctx context.Context) (changed []string, err error) {
	s.looking.Lock()
	defer s.looking.Unlock()
	s.mu.Lock()
	etag, queue := s.status.ETag, s.queue
	s.mu.Unlock()
	read, err := s.o.Repository.ReadIfChanged(ctx, etag)
	switch {
	case errors.Is(err, providers.ErrNotModified):
		err = s.standing()
	case err == nil:
		changed, err = s.consider(ctx, read)
	}
	s.note(ctx, read, err)
	for _, name := range changed {
		if queue != nil {
			queue.Enqueue(name)
		}
	}
	return changed, err
}

// standing repeats what was decided of the content that is still there.
func (s *Source) standing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// consider obeys what was read, or says why not. What is to be remembered is on disk
// before it is in force.
func (s *Source) consider(ctx context.Context, read *Snapshot) ([]string, error) {
	floor, err := s.o.States.Floor(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the generation floor: %w", err)
	}
	s.mu.Lock()
	inForce := s.inForce
	s.mu.Unlock()
	if err := accept(floor, inForce, read); err != nil {
		return nil, err
	}
	if inForce != nil && inForce.Hash == read.Hash {
		s.obey(read)
		return nil, nil
	}
	if err := s.o.States.SaveManifest(ctx, read.Raw); err != nil {
		return nil, fmt.Errorf("keeping the manifest: %w", err)
	}
	if err := s.o.States.RaiseFloor(ctx, providers.Floor{Lineage: read.Manifest.Lineage, Generation: read.Manifest.Generation}); err != nil {
		return nil, fmt.Errorf("keeping the generation floor: %w", err)
	}
	return s.obey(read), nil
}

// obey puts a manifest in force and gives the names whose assignment changed.
func (s *Source) obey(read *Snapshot) []string {
	now := read.Manifest.Assignments(s.o.Host)
	s.mu.Lock()
	defer s.mu.Unlock()
	var changed []string
	for name, a := range now {
		if old, ok := s.assignments[name]; !ok || !sameWish(old, a) {
			changed = append(changed, name)
		}
	}
	for name := range s.assignments {
		if _, ok := now[name]; !ok {
			changed = append(changed, name)
		}
	}
	s.inForce, s.assignments = read, now
	s.status.Hash, s.status.UpdatedAt, s.status.UpdatedBy = read.Hash, read.Manifest.UpdatedAt, read.Manifest.UpdatedBy
	return changed
}

// sameWish leaves the generation out: a write that concerns other services concerns this
// one not.
func sameWish(a, b v1.Assignment) bool {
	a.Generation = b.Generation
	return reflect.DeepEqual(a, b)
}

// note keeps the status of the look and lets those go on who wait for one.
func (s *Source) note(ctx context.Context, read *Snapshot, err error) {
	now := s.o.Now().UTC()
	s.mu.Lock()
	before, problemBefore := s.status, textOf(s.problem)
	s.problem = err
	switch {
	case ctx.Err() != nil:
	case err == nil:
		s.status.LastRead, s.status.StaleSince = now, nil
	case s.status.StaleSince == nil:
		s.status.StaleSince = &now
	}
	if read != nil {
		s.status.ETag = read.ETag
	} else if err != nil {
		s.status.ETag = "" // ask for the whole thing again
	}
	after := s.status
	s.mu.Unlock()
	if before != after || problemBefore != textOf(err) {
		s.o.OnChange(after)
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Adopt makes this host obey the lineage that the store has now.
func (s *Source) Adopt(ctx context.Context) (*v1.Manifest, error) {
	read, err := s.o.Repository.Read(ctx)
	if err != nil {
		return nil, err
	}
	floor := providers.Floor{Lineage: read.Manifest.Lineage, Generation: read.Manifest.Generation}
	if err := s.o.States.RaiseFloor(ctx, floor); err != nil {
		return nil, fmt.Errorf("keeping the generation floor: %w", err)
	}
	s.mu.Lock()
	s.status.ETag = ""
	s.mu.Unlock()
	s.Wake()
	return read.Manifest, nil
}

// enqueueAll asks for a pass of everything that is wanted or there.
func (s *Source) enqueueAll(ctx context.Context, q reconcile.Queue) error {
	names, err := s.AllNames(ctx)
	for _, name := range names {
		q.Enqueue(name)
	}
	return err
}

// AllNames are the names in the manifest and on the host, each once.
func (s *Source) AllNames(ctx context.Context) ([]string, error) {
	seen := map[string]bool{}
	var out []string
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	s.mu.Lock()
	for name := range s.assignments {
		add(name)
	}
	s.mu.Unlock()
	if s.o.Names == nil {
		return out, nil
	}
	there, err := s.o.Names(ctx)
	for _, name := range there {
		add(name)
	}
	return out, err
}
