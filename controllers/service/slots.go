package service

import (
	"strconv"

	v1 "deployer/api/v1"
)

// What can be said of the two slots: where they listen, which of them gets the requests,
// and whether they are fit for them. The rules of plan_overlap.go are made of these words.

// port is where the running release listens in the primary slot; 0 for a worker.
func (t *Target) port() int { return t.Release.InternalPort }

const loopback = "127.0.0.1:"

// upstream is the content of an upstream file, and portOf its port; 0 for none.
func upstream(port int) string { return loopback + strconv.Itoa(port) }

func portOf(upstream string) int {
	if len(upstream) <= len(loopback) {
		return 0
	}
	port, _ := strconv.Atoi(upstream[len(loopback):])
	return port
}

// port is where the slot listens: as what it runs, else as what it would run; 0 when it
// is nothing, or a worker.
func (s *Scope) port(slot v1.Slot) int {
	r, ok := s.Facts.Releases.Staged[s.unit(slot).Instance]
	if !ok {
		if r, ok = s.pointed(slot); !ok {
			return 0
		}
	}
	if slot == v1.Standby {
		return r.StandbyPort
	}
	return r.Release.InternalPort
}

// live is the slot that the upstream file names; empty when it names neither.
func (s *Scope) live() v1.Slot {
	named := portOf(s.Facts.Releases.Upstream)
	for _, slot := range slots() {
		if named != 0 && named == s.port(slot) {
			return slot
		}
	}
	return ""
}

// well reports whether the slot may have requests: what it runs is known, is not judged
// bad, and answers; and it has proved that by soaking, by enough good probes in a row, or
// by the requests that it has. While nobody knows how it answers, it stays what it was.
func (s *Scope) well(slot v1.Slot) bool {
	u, f := s.unit(slot), s.Facts.of(slot)
	if !u.Running() || u.Instance == "" || s.bad(u.Instance) {
		return false
	}
	if f.ProbeErr != nil {
		return s.live() == slot
	}
	staged, ok := s.Facts.Releases.Staged[u.Instance]
	if !ok || asksProbe(staged.Release.HealthType) && !f.Probe.OK {
		return false
	}
	return s.soaked(u.Instance) || s.mind(slot).good >= s.health().Rise || s.live() == slot
}

// fit reports whether the slot runs the target and may have requests.
func (s *Scope) fit(slot v1.Slot) bool { return s.runs(slot, s.instance()) && s.well(slot) }

// serves reports whether any slot is well.
func (s *Scope) serves() bool { return s.well(v1.Primary) || s.well(v1.Standby) }

// front is the slot that people see: the live one, else the primary.
func (s *Scope) front() v1.Slot {
	if s.live() == v1.Standby {
		return v1.Standby
	}
	return v1.Primary
}
