package manifest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

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
	// wholeAt is when the manifest was last read whatever its ETag.
	wholeAt time.Time
	// adopted is the hash of a manifest that somebody told this host to obey as it is.
	adopted string

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
