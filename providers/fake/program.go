package fake

import (
	"time"

	v1 "deployer/api/v1"
)

// Program is how the program of a store path behaves. The zero Program listens at once
// and answers 200 for ever.
type Program struct {
	// StartsAfter the start it listens.
	StartsAfter time.Duration
	// ExitsAfter the start it exits; 0 is never. systemd starts it again.
	ExitsAfter time.Duration
	// Status and Signal of its exits.
	Status int
	Signal string
	// FailsToStart: it exits before its start is over; units.Start gives a Fault with Own.
	FailsToStart bool
	// NeverReady: with health.notify, it does not tell systemd that it is ready, though it
	// may listen. Without NeverReady it does so when it starts to listen.
	NeverReady bool
	// NeverListens: it runs, and nothing answers.
	NeverListens bool
	// FailsOn is a slot in which it never listens, though it does in the other one.
	FailsOn v1.Slot
	// IgnoresPort: it binds internalPort in either slot, and exits when that is held.
	IgnoresPort bool
	// Answer is the HTTP status that it answers with; 0 is 200.
	Answer int
	// CheckStatus is the exit status of its health command; 0 follows from how it is.
	CheckStatus int
	// CheckHangs: its health command never ends.
	CheckHangs bool
	// Log is written to the journal at each start.
	Log []string
}

// process is what runs, or tried to run, in a slot.
type process struct {
	pid     int
	since   time.Time
	started time.Duration
	// instance and the rest are what the pointer named at the start, as the credential has it.
	instance  string
	release   v1.Release
	port      int
	program   Program
	portTaken bool
	// group is its control group.
	group string
	// altered: it was started while its unit was somebody's.
	altered bool
}

// life is how long it lives; 0 is for ever.
func (p *process) life() time.Duration {
	switch {
	case p.program.FailsToStart:
		return 1
	case p.portTaken:
		return p.program.StartsAfter + time.Millisecond
	}
	return p.program.ExitsAfter
}

// listens reports whether its port answers now.
func (w *World) listens(u *Unit) bool {
	p := u.process
	return p != nil && p.port != 0 && !p.portTaken && !p.program.FailsToStart &&
		!p.program.NeverListens && p.program.FailsOn != u.slot &&
		w.Clock.mono-p.started >= p.program.StartsAfter
}

// notifies: its unit is active only when it says so.
func (p *process) notifies() bool { return p.release.HealthType == v1.HealthNotify }

// ready reports whether the unit's start is over.
func (w *World) ready(u *Unit) bool {
	p := u.process
	if p == nil || p.program.FailsToStart {
		return false
	}
	return !p.notifies() || !p.program.NeverReady && w.Clock.mono-p.started >= p.program.StartsAfter
}

// statusCode is what it answers with.
func (p *process) statusCode() int {
	if p.program.Answer != 0 {
		return p.program.Answer
	}
	return 200
}

// well is the world's own opinion of a slot, for the invariants: it runs and, if it has a
// port, answers below 500.
func (w *World) well(u *Unit) bool {
	if u == nil || !w.ready(u) {
		return false
	}
	if u.process.port == 0 {
		return true
	}
	return w.listens(u) && u.process.statusCode() < 500
}
