package service

import (
	"sync"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// memory is what a service's passes remember of each other. All of it may be lost at any
// time: it shortens waits and keeps events from being told twice, and decides nothing
// that an observation could decide.
type memory struct {
	// startOf and startAt are our last start of the primary.
	startOf string
	startAt time.Time
	// wellOf is the instance that was seen well last. unwellOf has not been well since
	// unwellAt; empty while what should run is well.
	wellOf, unwellOf string
	unwellAt         time.Time
	// pid is the primary's process as it was seen last, and wellSince when its present
	// spell of being well began. good counts the good probes in a row, goodAt is the last
	// that was counted.
	pid       int
	wellSince time.Time
	good      int
	goodAt    time.Time
	// keepErr and routeErr are of this pass: what failed is not tried again in it. doubt is
	// its first observation that failed without ending it.
	keepErr, routeErr, doubt error
	// asked is the last probe of this pass.
	asked asked
	// told has the events since the last pass without an error, so that a retry does not
	// tell them again.
	told map[transition]bool
	// shown is what was reported last; nil when nothing was. It is replaced, never changed.
	shown *report
}

// asked is a process and what it answered.
type asked struct {
	pid   int
	probe providers.ProbeResult
	err   error
}

// report is a state as it was reported.
type report struct {
	digest digest
	// seen is the last state of a pass that saw everything.
	seen v1.ServiceState
}

// reported reports whether anything was reported of the service.
func (m *memory) reported() bool { return m.shown != nil }

// seen is the last state of a pass that saw everything; empty when there was none.
func (m *memory) seen() v1.ServiceState {
	if m.shown == nil {
		return v1.ServiceState{}
	}
	return m.shown.seen
}

// shows reports whether that is what was reported last.
func (m *memory) shows(d digest) bool { return m.shown != nil && m.shown.digest == d }

// memories holds one memory per name. A pass works on its own copy and gives it back at
// its end, so that a plan can be asked for meanwhile; a pass that panics forgets what it
// learned.
type memories struct {
	mu  sync.Mutex
	all map[string]memory
}

// load gives what the last pass left, ready for a new one.
func (m *memories) load(name string) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	got := m.all[name]
	got.keepErr, got.routeErr, got.doubt, got.asked = nil, nil, nil, asked{}
	return &got
}

func (m *memories) save(name string, now *memory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[name] = *now
}

func (m *memories) forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, name)
}

// noteStart is called after a start of ours. How long the instance has been unwell is
// not begun anew by starting it again.
func (m *memory) noteStart(instance string, now time.Time) {
	m.startOf, m.startAt = instance, now
	m.good, m.wellSince = 0, time.Time{}
	if m.unwellOf != instance {
		m.unwellOf, m.unwellAt = instance, now
	}
}

// started reports whether the last start of this daemon was of that instance.
func (m *memory) started(instance string) bool { return m.startOf == instance }

// neverWell reports whether the instance has not been well since our last start of it.
func (m *memory) neverWell(instance string) bool {
	return m.started(instance) && m.unwellOf == instance && !m.unwellAt.After(m.startAt)
}

// unwellFor is how long the instance has been known to be unwell.
func (m *memory) unwellFor(instance string, now time.Time) time.Duration {
	if m.unwellOf != instance {
		return 0
	}
	return now.Sub(m.unwellAt)
}

// noteProcess begins anew when another process runs, or none: pid 0.
func (m *memory) noteProcess(pid int) {
	if pid != m.pid {
		m.pid, m.good, m.wellSince = pid, 0, time.Time{}
	}
}

// noteUnwell begins a spell of being unwell, unless one goes on. Of an instance that
// this daemon never saw well it began with the unit.
func (m *memory) noteUnwell(instance string, unitSince, now time.Time) {
	m.good, m.wellSince = 0, time.Time{}
	if m.unwellOf == instance {
		return
	}
	m.unwellOf, m.unwellAt = instance, now
	if m.wellOf != instance && !unitSince.IsZero() && unitSince.Before(now) {
		m.unwellAt = unitSince
	}
}

// noteGood counts a good sign. Signs nearer to each other than half the interval count
// once: rise means a time, too. After a clock that went back the spell begins anew.
func (m *memory) noteGood(instance string, now time.Time, rise int, interval time.Duration) {
	if m.wellSince.IsZero() || now.Before(m.wellSince) {
		m.wellSince, m.good = now, 0
	}
	if m.good == 0 || now.Sub(m.goodAt) >= interval/2 {
		m.good++
		m.goodAt = now
	}
	if m.good >= rise {
		m.wellOf, m.unwellOf = instance, ""
	}
}
