package service

import (
	"sync"
	"time"

	v1 "deployer/api/v1"
)

// memory is what a service's passes remember of each other. All of it may be lost at any
// time: it shortens waits and keeps events from being told twice, and decides nothing
// that an observation could decide.
type memory struct {
	// startOf and startAt are our last start.
	startOf string
	startAt time.Time
	// good counts the good probes in a row of probedPID; wellSince is the first of them.
	good      int
	probedPID int
	wellSince time.Time
	// keepFailed and routeFailed last for one pass: what failed is not tried again in it.
	keepFailed  bool
	routeFailed bool
	// told has the events since the last pass without an error, so that a retry does not
	// tell them again.
	told map[v1.Event]bool
	// last is the state that was reported last, and shown its digest.
	last  v1.ServiceState
	shown digest
}

// memories holds one memory per name. A name has one pass at a time, so a memory needs no
// lock of its own.
type memories struct {
	mu  sync.Mutex
	all map[string]*memory
}

func (m *memories) of(name string) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	got, ok := m.all[name]
	if !ok {
		got = &memory{}
		m.all[name] = got
	}
	return got
}

func (m *memories) forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, name)
}

func (m *memory) noteStart(instance string, now time.Time) {
	if m.startOf != instance {
		m.startOf, m.startAt = instance, now
	}
	m.good, m.wellSince = 0, time.Time{}
}

// started reports whether this daemon has started that instance.
func (m *memory) started(instance string) bool { return m.startOf == instance }

// startedAt is when we first started the instance, or since when its unit is active.
func (m *memory) startedAt(instance string, active time.Time) time.Time {
	if m.startOf == instance {
		return m.startAt
	}
	return active
}

// noteProbe counts good probes in a row; another process or a bad answer begins anew.
func (m *memory) noteProbe(pid int, ok bool, now time.Time) {
	if pid != m.probedPID || !ok {
		m.good, m.wellSince, m.probedPID = 0, time.Time{}, pid
	}
	if !ok {
		return
	}
	if m.good == 0 {
		m.wellSince = now
	}
	m.good++
}
