package service

import (
	"time"

	"deployer/providers"
)

// slotMemory is what the passes remember of one slot: since when its instance runs, is
// well or is not. The unit's own times are of the wall clock, which may jump.
type slotMemory struct {
	// startOf and startAt are our last start of the slot, and startFault why it failed by
	// the release's own fault.
	startOf    string
	startAt    time.Time
	startFault *providers.Fault
	// seenOf is the instance that runs in the slot, and restarts how often systemd had
	// restarted the unit when this daemon first saw it there.
	seenOf   string
	restarts int
	// wellOf is the instance that was seen well last. unwellOf has not been well since
	// unwellAt; empty while what should run is well.
	wellOf, unwellOf string
	unwellAt         time.Time
	// altered is a process that was started with somebody's settings; 0 for none. The unit
	// shows it only until that is put right, so a daemon that ends in between forgets it.
	altered int
	// pid is the process as it was seen last, and wellSince when its present spell of being
	// well began. good counts the good probes in a row, bad the others; countedAt is the last
	// that was counted.
	pid       int
	wellSince time.Time
	good, bad int
	countedAt time.Time
	// flaps counts how often flapsOf fell ill after it had been well.
	flaps   int
	flapsOf string
	// asked is the last probe of this pass.
	asked asked
}

// asked is a process and what it answered.
type asked struct {
	pid   int
	probe providers.ProbeResult
	err   error
}

// noteStart is called after a start of ours. How long the instance has been unwell is
// not begun anew by starting it again.
func (m *slotMemory) noteStart(instance string, now time.Time) {
	m.startOf, m.startAt, m.startFault = instance, now, nil
	m.seenOf, m.restarts = instance, 0
	m.good, m.bad, m.wellSince = 0, 0, time.Time{}
	if m.flapsOf != instance {
		m.flapsOf, m.flaps = instance, 0
	}
	if m.unwellOf != instance {
		m.unwellOf, m.unwellAt = instance, now
	}
}

// started reports whether the last start of this daemon was of that instance.
func (m *slotMemory) started(instance string) bool { return m.startOf == instance }

// neverWell reports whether the instance has not been well since our last start of it.
func (m *slotMemory) neverWell(instance string) bool {
	return m.started(instance) && m.unwellOf == instance && !m.unwellAt.After(m.startAt)
}

// unwellFor is how long the instance has been known to be unwell.
func (m *slotMemory) unwellFor(instance string, now time.Time) time.Duration {
	if m.unwellOf != instance {
		return 0
	}
	return now.Sub(m.unwellAt)
}

// noteProcess begins anew when another process runs, or none: pid 0.
func (m *slotMemory) noteProcess(u *providers.UnitFacts) {
	pid := 0
	if u.Running() {
		pid = u.MainPID
	}
	if pid != m.pid {
		m.pid, m.good, m.bad, m.wellSince = pid, 0, 0, time.Time{}
	}
	if u.Altered {
		m.altered = pid
	}
	if pid != 0 && u.Instance != "" && m.seenOf != u.Instance {
		m.seenOf, m.restarts = u.Instance, u.Restarts
	}
}

// noteUnwell begins a spell of being unwell, unless one goes on. Of an instance that
// this daemon never saw well it began with the unit.
func (m *slotMemory) noteUnwell(instance string, unitSince, now time.Time, interval time.Duration) {
	if m.good > 0 {
		if m.flapsOf != instance {
			m.flapsOf, m.flaps = instance, 0
		}
		m.flaps++
		m.bad = 0
	}
	m.count(&m.bad, now, interval)
	m.good, m.wellSince = 0, time.Time{}
	if m.unwellOf == instance {
		return
	}
	m.unwellOf, m.unwellAt = instance, now
	if m.wellOf != instance && !unitSince.IsZero() && unitSince.Before(now) {
		m.unwellAt = unitSince
	}
}

// noteGood counts a good sign. After a clock that went back the spell begins anew.
func (m *slotMemory) noteGood(instance string, now time.Time, rise int, interval time.Duration) {
	if m.wellSince.IsZero() || now.Before(m.wellSince) {
		m.wellSince, m.good = now, 0
	}
	m.bad = 0
	m.count(&m.good, now, interval)
	if m.good >= rise {
		m.wellOf, m.unwellOf = instance, ""
	}
}

// count takes signs nearer to each other than half the interval for one: rise means a
// time, too.
func (m *slotMemory) count(n *int, now time.Time, interval time.Duration) {
	if *n == 0 || now.Before(m.countedAt) || now.Sub(m.countedAt) >= interval/2 {
		*n++
		m.countedAt = now
	}
}
