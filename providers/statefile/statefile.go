// Package statefile is the daemon's own memory on disk: state.json, the last manifest,
// events, deployments, holds, the generation floor and the pinned host name. None of it is proof of anything
// on the host, and losing it restarts nothing. Nothing in it, however damaged, is a
// reason not to start: what cannot be read is moved aside.
package statefile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/internal/durable"
)

// The files below the state directory.
const (
	fileState    = "state.json"
	fileManifest = "manifest.json"
	fileEvents   = "events.jsonl"
	fileFloor    = "floor.json"
	fileHostName = "hostname"
	fileHolds    = "holds.json"
	fileLock     = "lock"
)

// Defaults of Options.
const (
	DefaultEventsPerService = 50
	DefaultEvents           = 2000
	DefaultHistories        = 2000
)

// Options say where, when and how much.
type Options struct {
	Paths providers.Paths
	// Now is the host's clock; time.Now when nil.
	Now func() time.Time
	// EventsPerService and Events are kept; up to twice as many lie in the file.
	EventsPerService, Events int
	// Histories is about how many services keep their deployments, those that are gone
	// included: a host for previews sees many names.
	Histories int
}

// Files is providers.States, History and Holds of the one daemon of a host.
type Files struct {
	Reader
	now  func() time.Time
	root *os.Root
	lock *os.File
	// mu keeps writers of this process apart; the lock file those of others.
	mu      sync.Mutex
	events  eventFile
	history history
	// holding keeps the reading of the holds and their writing together.
	holding sync.Mutex
}

var (
	_ providers.States  = (*Files)(nil)
	_ providers.History = (*Files)(nil)
	_ providers.Holds   = (*Files)(nil)
)

// Open makes the state directory when needed and locks it for this process. While
// another one has it: a *providers.Fault with reason AlreadyRunning that names its pid.
// Close gives the lock back; so does the kernel, however the process ends.
func Open(o Options) (*Files, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.EventsPerService == 0 {
		o.EventsPerService = DefaultEventsPerService
	}
	if o.Events == 0 {
		o.Events = DefaultEvents
	}
	if o.Histories == 0 {
		o.Histories = DefaultHistories
	}
	dir := o.Paths.StateDir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the state directory: %w", err)
	}
	lock, err := lockFile(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the state directory: %w", err), lock.Close())
	}
	f := &Files{Reader: Reader{dir: dir}, now: o.Now, root: root, lock: lock, history: history{kept: o.Histories, lines: map[string]int{}}}
	f.events = eventFile{perService: o.EventsPerService, total: o.Events}
	return f, nil
}

// Close unlocks. Files is of no use afterwards.
func (f *Files) Close() error { return errors.Join(f.root.Close(), f.lock.Close()) }

// SaveState replaces state.json, which everybody may read: it holds no env values.
func (f *Files) SaveState(_ context.Context, s v1.HostState) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", fileState, err)
	}
	return f.save(fileState, append(data, '\n'), 0o644)
}

// LoadState gives the last state. One that cannot be understood is moved aside, and is
// ErrNotFound.
func (f *Files) LoadState(ctx context.Context) (v1.HostState, error) {
	s, err := f.Reader.LoadState(ctx)
	return s, f.asideIfBroken(fileState, err)
}

// SaveManifest keeps the last valid manifest, byte by byte. It may hold env values, so
// only root reads it.
func (f *Files) SaveManifest(_ context.Context, data []byte) error {
	return f.save(fileManifest, data, 0o600)
}

// LoadManifest gives it back. An empty one is moved aside, and is ErrNotFound; all other
// content is the caller's to judge.
func (f *Files) LoadManifest(ctx context.Context) ([]byte, error) {
	data, err := f.Reader.LoadManifest(ctx)
	return data, f.asideIfBroken(fileManifest, err)
}

func (f *Files) save(name string, data []byte, mode os.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := durable.WriteFile(f.root, name, data, mode); err != nil {
		return unavailable("writing "+name, err)
	}
	return nil
}

func unavailable(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, providers.ErrUnavailable, err)
}
