// Package report gathers what this host knows of itself, and keeps state.json and the
// control socket told. Publishing it to the store comes here, too.
package report

import (
	"context"
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
		o: o, dirty: make(chan struct{}, 1), services: map[string]v1.ServiceState{},
		head: v1.HostState{APIVersion: v1.APIVersion, Kind: v1.KindHostState, Host: o.Host, Daemon: o.Daemon},
	}
}

// Service takes a service's state; gone means that nothing is left of it.
func (b *Board) Service(name string, state v1.ServiceState, gone bool) {
	b.change(func() {
		if gone {
			delete(b.services, name)
			return
		}
		old := b.services[name]
		state.Failures = old.Failures
		b.services[name] = state
	})
}

// Tried takes the end of a pass, and counts how many failed in a row.
func (b *Board) Tried(name string, err error) {
	b.mu.Lock()
	st, ok := b.services[name]
	same := !ok || err == nil && st.Failures == 0
	b.mu.Unlock()
	if same {
		return
	}
	b.change(func() {
		st := b.services[name]
		if err == nil {
			st.Failures = 0
		} else {
			st.Failures++
		}
		b.services[name] = st
	})
}

// Manifest takes the freshness of the manifest and which one is in force; problem is why
// the store's present content is not.
func (b *Board) Manifest(status v1.ManifestStatus, inForce *v1.Manifest, problem error) {
	b.change(func() {
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
	})
}

func (b *Board) change(f func()) {
	b.mu.Lock()
	f()
	b.head.UpdatedAt = b.o.Now().UTC()
	b.mu.Unlock()
	select {
	case b.dirty <- struct{}{}:
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

// Run writes state.json until ctx ends, and then once more. A disk that is full stops
// nothing: the state is in memory, and is written with the next change.
func (b *Board) Run(ctx context.Context) {
	log := logr.FromContextOrDiscard(ctx)
	save := func() {
		if err := b.o.States.SaveState(context.WithoutCancel(ctx), b.Snapshot()); err != nil {
			log.Error(err, "writing state.json")
		}
	}
	for {
		select {
		case <-ctx.Done():
			save()
			return
		case <-b.dirty:
		case <-time.After(b.o.Heartbeat):
			b.change(func() {})
		}
		select {
		case <-ctx.Done():
		case <-time.After(b.o.Settle):
		}
		select {
		case <-b.dirty:
		default:
		}
		save()
	}
}
