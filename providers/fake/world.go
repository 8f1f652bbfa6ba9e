// Package fake is a host and a store in memory, for tests of the controllers: the same
// answers and the same errors as the real adapters (providers/conformance holds both to
// the same specs), a clock that only tests move, faults, a log of every call, and a
// crash at any effect.
//
// A World outlives controllers: after a crash, build a new controller on the same World.
// Its exported fields are the world as people and accidents change it; set them between
// calls, or in AfterCall, never while a controller works on another goroutine.
package fake

import (
	"sync"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// World is one host, with the binary cache and the store that it sees.
type World struct {
	// Clock is the host's. Programs start, exit and are restarted as it advances.
	Clock *Clock
	// Programs says how the program of a store path behaves; one that is not listed
	// listens at once and answers 200 for ever.
	Programs map[string]Program
	// Listeners are ports that somebody else holds, and who.
	Listeners map[int]string
	// Connections that are open to a port; whoever sets them lets them go.
	Connections map[int]int
	// Nix is the local store, the caches and the roots.
	Nix Nix
	// Caddy is the web server.
	Caddy Caddy
	// Unfinished is what crashes left of ours.
	Unfinished []providers.Leftover
	// SecretsFiles by path.
	SecretsFiles map[string]SecretsFile
	// Overlap names services whose serving slot must not even be restarted while it is
	// well; CheckInvariants then counts that as a violation. (With strategy replace it is
	// the way a release is changed.)
	Overlap map[string]bool
	// AfterCall, when set, sees every call, after it, with no lock held: the place to
	// assert CheckInvariants, to advance the clock, or to do harm at a chosen moment.
	AfterCall func(call string)
	// Quiet switches the log off, for benchmarks.
	Quiet bool

	mu       sync.Mutex
	calls    []Call
	faults   []fault
	crash    crashPoint
	units    map[providers.UnitName]*Unit
	releases map[string]*serviceFiles
	disk     disk
	objects  map[string]storedObject
	lastPID  int
	watch    watch
}

// New is an empty host: Nix and Caddy run, nothing is in the cache. The clock stands at
// noon UTC on 2026-01-01.
func New() *World {
	w := &World{
		Programs: map[string]Program{}, Listeners: map[int]string{}, Connections: map[int]int{}, SecretsFiles: map[string]SecretsFile{},
		Overlap:  map[string]bool{},
		Nix:      newNix(),
		Caddy:    Caddy{Routes: map[string]providers.Route{}, Foreign: map[string]string{}},
		units:    map[providers.UnitName]*Unit{},
		releases: map[string]*serviceFiles{},
		objects:  map[string]storedObject{},
		lastPID:  1000,
		disk:     disk{deployments: map[string][]v1.Deployment{}, holds: map[string]v1.Hold{}},
	}
	w.Clock = &Clock{world: w, wall: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	return w
}

// Host is what a controller acts through.
func (w *World) Host() providers.Host {
	return providers.Host{
		Closures: closures{w}, Units: units{w}, Releases: releases{w}, Secrets: secrets{w},
		Routes: routes{w}, Prober: prober{w}, Ports: ports{w}, States: states{w}, History: history{w}, Holds: history{w},
		Leftovers: []providers.Leftovers{leftovers{w}},
	}
}

// Store is the object store.
func (w *World) Store() providers.Objects { return objects{w} }

// Unit is the unit of a slot, for looking and for tampering, or nil.
func (w *World) Unit(service string, slot v1.Slot) *Unit {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.units[providers.UnitName{Service: service, Slot: slot}]
}

// Clock is a host's time. Advance lets time pass; Jump sets the wall clock wrong, as an
// NTP client or a person would, and nothing ages by it.
type Clock struct {
	world *World
	wall  time.Time
	// mono is the time since the first boot, by which programs age.
	mono time.Duration
}

// Now is the wall clock.
func (c *Clock) Now() time.Time {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	return c.wall
}

// Advance lets d pass: programs get ready, exit and are restarted on the way.
func (c *Clock) Advance(d time.Duration) {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	end, wall := c.mono+d, c.wall.Add(d)
	for {
		u := c.world.nextToTurn(end)
		if u == nil {
			break
		}
		step := max(u.turnsAt-c.mono, 0)
		c.mono, c.wall = c.mono+step, c.wall.Add(step)
		c.world.turn(u)
	}
	c.mono, c.wall = end, wall
}

// Jump moves the wall clock only.
func (c *Clock) Jump(d time.Duration) {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	c.wall = c.wall.Add(d)
}
