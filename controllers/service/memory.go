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
	primary, standby slotMemory
	// live is the slot that requests go to, and liveSince when this daemon saw them begin to.
	live      v1.Slot
	liveSince time.Time
	// ignoresPort is an instance that was seen not to take its port from PORT.
	ignoresPort string
	// keepErr and routeErr are of this pass: what failed is not tried again in it. doubt is
	// its first observation that failed without ending it.
	keepErr, routeErr, doubt error
	// settled is what was as wanted at the end of a pass, healed what of it was put right of
	// late, and healing whether this pass did.
	settled settled
	healed  []healing
	healing bool
	// deployment is the last one on record, once the record was read.
	deployment *v1.Deployment
	recordRead bool
	// told has the events since the last pass without an error, so that a retry does not
	// tell them again.
	told map[transition]bool
	// shown is what was reported last; nil when nothing was. It is replaced, never changed.
	shown *report
}

// of gives what is remembered of a slot.
func (m *memory) of(slot v1.Slot) *slotMemory {
	if slot == v1.Standby {
		return &m.standby
	}
	return &m.primary
}

// noteLive begins anew when requests go elsewhere, and after a clock that went back.
func (m *memory) noteLive(slot v1.Slot, now time.Time) {
	if slot != m.live || m.liveSince.IsZero() || now.Before(m.liveSince) {
		m.live, m.liveSince = slot, now
	}
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
	got.keepErr, got.routeErr, got.doubt, got.healing = nil, nil, nil, false
	got.primary.asked, got.standby.asked = asked{}, asked{}
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
