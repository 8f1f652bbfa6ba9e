package fake

import (
	"fmt"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// start does what systemd does at a start: it runs what the pointer names now.
func (w *World) start(u *Unit) error {
	if u.process != nil {
		w.end(u, "success", 0, "")
	}
	u.leaving, u.restarting, u.failed, u.restarts, u.turnsAt = false, false, false, 0, 0
	if err := w.spawn(u); err != nil {
		return err
	}
	if p := u.process; p.program.FailsToStart {
		w.exit(u)
		return &providers.Fault{Reason: "ExitedAtStart", Own: true, Message: fmt.Sprintf(
			"%s ended with status %d while it started", v1.UnitName(u.service, u.slot), u.status)}
	}
	return nil
}

// spawn makes the process, or the failure that systemd reports instead.
func (w *World) spawn(u *Unit) error {
	files := w.releases[u.service]
	instance, staged := files.pointed(u.slot)
	if staged == nil {
		return w.cannotSpawn(u, "resources", 0, &providers.Fault{
			Reason: "StartRefused", Message: "there is no release directory behind the pointer of " + v1.UnitName(u.service, u.slot),
		})
	}
	r := staged.Release
	if !w.Nix.OnDisk[r.StorePath] {
		return w.cannotSpawn(u, "exit-code", 203, &providers.Fault{
			Reason: "ExecFailed", Own: true, Message: v1.UnitName(u.service, u.slot) + ": the program cannot be executed",
		})
	}
	if !w.rooted(r.StorePath) {
		w.watch.broken("2: %s starts %s, which no root keeps", v1.UnitName(u.service, u.slot), r.StorePath)
	}
	w.lastPID++
	p := &process{
		pid: w.lastPID, since: w.Clock.wall, started: w.Clock.mono,
		instance: instance, release: r, port: r.InternalPort, program: w.Programs[r.StorePath],
		group: controlGroup(u.service, u.slot), altered: u.altered(),
	}
	if u.slot == v1.Standby && staged.StandbyPort != 0 && !p.program.IgnoresPort {
		p.port = staged.StandbyPort
	}
	u.note(w.Clock.wall, p.program.Log...)
	if holder := w.holder(p.port); holder != "" {
		p.portTaken = true
		u.note(w.Clock.wall, fmt.Sprintf("listen tcp 127.0.0.1:%d: bind: address already in use", p.port))
	}
	u.process, u.leaving, u.restarting, u.failed, u.turnsAt = p, false, false, false, 0
	u.result, u.status, u.signal = "success", 0, ""
	if d := p.life(); d > 0 {
		u.turnsAt = p.started + d
	}
	return nil
}

// cannotSpawn is a start of which no process came; systemd goes on trying.
func (w *World) cannotSpawn(u *Unit, result string, status int, why *providers.Fault) error {
	u.process, u.result, u.status, u.signal = nil, result, status, ""
	u.exit = &providers.Exit{At: w.Clock.wall, Result: result, Status: status}
	u.note(w.Clock.wall, why.Message)
	w.restartLater(u)
	return why
}

// end is a process that is gone, for whatever reason; the standby's ExecStopPost gives
// the traffic back to the primary.
func (w *World) end(u *Unit, result string, status int, signal string) {
	p := u.process
	u.process, u.turnsAt = nil, 0
	u.result, u.status, u.signal = result, status, signal
	u.exit = &providers.Exit{At: w.Clock.wall, Result: result, Status: status, Signal: signal}
	if u.slot == v1.Standby && p != nil {
		w.files(u.service).upstream = address(w.primaryPort(u.service, p.release))
	}
}

// exit is a process that ended by itself; systemd tries again as the unit says.
func (w *World) exit(u *Unit) {
	p := u.process
	status, result := p.program.Status, "success"
	if status == 0 && (p.portTaken || p.program.FailsToStart) {
		status = 1
	}
	switch {
	case p.program.Signal != "":
		result = "signal"
	case status != 0:
		result = "exit-code"
	}
	u.note(w.Clock.wall, fmt.Sprintf("%s: Main process exited, status=%d%s", v1.UnitName(u.service, u.slot), status, p.program.Signal))
	w.end(u, result, status, p.program.Signal)
	again := p.release.Systemd.Restart
	w.leave(u, again != "no" && (again != "on-failure" || result != "success"))
}

// LeavingTakes is how long a unit needs for its ExecStopPost, about.
const LeavingTakes = 50 * time.Millisecond

// leave is what comes between the end of a process and what systemd makes of it. Who
// starts the unit meanwhile gets it, and nobody ever sees how it ended.
func (w *World) leave(u *Unit, again bool) {
	u.leaving, u.again, u.turnsAt = true, again, w.Clock.mono+LeavingTakes
}

func (w *World) left(u *Unit) {
	u.leaving, u.turnsAt = false, 0
	if u.again {
		w.restartLater(u)
		return
	}
	u.failed = u.result != "success"
}

func (w *World) restartLater(u *Unit) {
	wait := v1.DefaultRestartSec
	if u.spec.Release != nil && u.spec.Release.Systemd.RestartSec > 0 {
		wait = time.Duration(u.spec.Release.Systemd.RestartSec)
	}
	u.restarting, u.turnsAt = true, w.Clock.mono+wait
}

// stop is a stop that was asked for: nothing starts again.
func (w *World) stop(u *Unit) {
	if u.process != nil {
		w.end(u, "success", 0, "")
	}
	u.leaving, u.restarting, u.failed, u.turnsAt = false, false, false, 0
}

// nextToTurn is the unit whose process exits or starts again first, not later than end.
func (w *World) nextToTurn(end time.Duration) *Unit {
	var next *Unit
	for _, u := range w.units {
		if u.turnsAt == 0 || u.turnsAt > end {
			continue
		}
		if next == nil || u.turnsAt < next.turnsAt || u.turnsAt == next.turnsAt && u.service+string(u.slot) < next.service+string(next.slot) {
			next = u
		}
	}
	return next
}

// turn is that exit, what follows from it, or that start.
func (w *World) turn(u *Unit) {
	switch {
	case u.process != nil:
		w.exit(u)
		return
	case u.leaving:
		w.left(u)
		return
	}
	u.restarts++
	// A start that fails again waits again; systemd has nobody to tell.
	_ = w.spawn(u)
}
