// Package report gathers what this host knows of itself, and keeps state.json, the control
// socket and the store told.
package report

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Options of a Board. Host and States are required.
type Options struct {
	Host string
	// Daemon is the version of this program.
	Daemon string
	States providers.States
	// Settle is how long changes are gathered before they are written; Heartbeat how often
	// the file is written without any.
	Settle, Heartbeat time.Duration
	Now               func() time.Time
}

// Board is the state of the host in memory, written to disk soon after each change.
type Board struct {
	o     Options
	dirty chan struct{}
	// toStore is dirty for the Publisher.
	toStore chan struct{}

	mu       sync.Mutex
	head     v1.HostState
	services map[string]v1.ServiceState
}

// New makes a Board. It starts empty: what an earlier daemon wrote is a report of its
// time, not of ours.
func New(o Options) *Board {
	if o.Settle == 0 {
		o.Settle = 100 * time.Millisecond
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Board{
		o: o, dirty: make(chan struct{}, 1), toStore: make(chan struct{}, 1), services: map[string]v1.ServiceState{},
		head: v1.HostState{APIVersion: v1.APIVersion, Kind: v1.KindHostState, Host: o.Host, Daemon: o.Daemon},
	}
}

// Expect tells of a service that is to run here and was not looked at yet, so that a
// report at the start does not look as if there were none.
func (b *Board) Expect(name string) {
	b.change(func() bool {
		if _, known := b.services[name]; known {
			return false
		}
		b.services[name] = v1.ServiceState{
			Name: name, State: v1.Rolling, Sync: v1.SyncUnknown, Health: v1.HealthUnknown, Since: b.o.Now().UTC(),
			Reason: "NotLookedAt", Message: "the daemon has just started, and has not looked at it yet",
		}
		return true
	})
}

// Service takes a service's state. How often it failed in a row is the Board's to count.
func (b *Board) Service(name string, state v1.ServiceState) {
	b.change(func() bool {
		state.Failures = b.services[name].Failures
		b.services[name] = state
		return true
	})
}

// State is a service's state as it was reported last.
func (b *Board) State(name string) (v1.ServiceState, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	st, ok := b.services[name]
	return st, ok
}

// Gone takes a service out of the report: nothing is left of it on this host.
func (b *Board) Gone(name string) {
	b.change(func() bool {
		_, known := b.services[name]
		delete(b.services, name)
		return known
	})
}

// Tried takes the end of a pass, and counts how many failed in a row.
func (b *Board) Tried(name string, err error) {
	b.change(func() bool {
		st, known := b.services[name]
		if !known || err == nil && st.Failures == 0 {
			return false
		}
		st.Failures++
		if err == nil {
			st.Failures = 0
		}
		b.services[name] = st
		return true
	})
}

// Manifest takes the freshness of the manifest and which one is in force; problem is why
// the store's present content is not. That the store was asked once more and said the
// same is in the next snapshot, but worth no write: it happens every few seconds.
func (b *Board) Manifest(status v1.ManifestStatus, inForce *v1.Manifest, problem error) {
	b.change(func() bool {
		before := b.head
		b.head.Manifest = status
		if inForce != nil {
			b.head.Lineage, b.head.ObservedGeneration = inForce.Lineage, inForce.Generation
		}
		c := v1.Condition{
			Type: "ManifestRead", Status: v1.True, Reason: "Fresh",
			ObservedGeneration: b.head.ObservedGeneration, LastTransitionTime: b.o.Now().UTC(),
		}
		if problem != nil {
			c.Status, c.Reason, c.Message = v1.False, providers.ReasonOf(problem), problem.Error()
		}
		b.head.Conditions = v1.SetCondition(slices.Clone(b.head.Conditions), c)
		status.LastRead = before.Manifest.LastRead
		return status != before.Manifest || before.Lineage != b.head.Lineage ||
			!slices.Equal(before.Conditions, b.head.Conditions)
	})
}

// Reported takes how the last report to the store went; nil: it is there. Only another
// reason is a change, or a store that is away would be reported to it without end.
func (b *Board) Reported(err error) {
	b.change(func() bool {
		c := v1.Condition{Type: v1.Reported, Status: v1.True, Reason: "Published", LastTransitionTime: b.o.Now().UTC()}
		if err != nil {
			c.Status, c.Reason, c.Message = v1.False, providers.ReasonOf(err), err.Error()
		}
		old := v1.FindCondition(b.head.Conditions, v1.Reported)
		if old != nil && old.Status == c.Status && old.Reason == c.Reason {
			return false
		}
		b.head.Conditions = v1.SetCondition(slices.Clone(b.head.Conditions), c)
		return true
	})
}

// Verified takes how the last look at the content of the store went.
func (b *Board) Verified(c v1.Condition) {
	b.change(func() bool {
		b.head.Conditions = v1.SetCondition(slices.Clone(b.head.Conditions), c)
		return true
	})
}

// change does f; when that says that something worth a write changed, one follows.
func (b *Board) change(f func() bool) {
	b.mu.Lock()
	changed := f()
	if changed {
		b.head.UpdatedAt = b.o.Now().UTC()
	}
	b.mu.Unlock()
	if !changed {
		return
	}
	signal(b.dirty)
	signal(b.toStore)
}

func signal(listener chan<- struct{}) {
	select {
	case listener <- struct{}{}:
	default:
	}
}

// Snapshot is the state now, services by name.
func (b *Board) Snapshot() v1.HostState {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.head
	out.Services = make([]v1.ServiceState, 0, len(b.services))
	for _, s := range b.services {
		out.Services = append(out.Services, s)
	}
	slices.SortFunc(out.Services, func(x, y v1.ServiceState) int { return strings.Compare(x.Name, y.Name) })
	return out
}

// Knows reports whether there is anything to tell of a service.
func (b *Board) Knows(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, known := b.services[name]
	return known
}

// Names are those of all services that there is anything to tell of.
func (b *Board) Names() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.services))
}

// Run writes state.json until ctx ends, and then once more. A disk that is full stops
// nothing: the state is in memory, and is written with the next change or heartbeat.
func (b *Board) Run(ctx context.Context) {
	for b.settled(ctx) {
		b.save(ctx)
	}
	b.save(ctx)
}

// settled waits for a change or for the heartbeat, and then for what comes with it. It is
// false when ctx ended.
func (b *Board) settled(ctx context.Context) bool {
	heartbeat := time.NewTimer(b.o.Heartbeat)
	defer heartbeat.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-b.dirty:
	case <-heartbeat.C:
		b.change(func() bool { return true })
	}
	settle := time.NewTimer(b.o.Settle)
	defer settle.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-settle.C:
	}
	select {
	case <-b.dirty:
	default:
	}
	return true
}

// save may not be cut off by the end of ctx: the last write comes after it.
func (b *Board) save(ctx context.Context) {
	if err := b.o.States.SaveState(context.WithoutCancel(ctx), b.Snapshot()); err != nil {
		logr.FromContextOrDiscard(ctx).Error(err, "writing state.json")
	}
}
