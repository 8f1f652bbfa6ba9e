package fake

import (
	v1 "deployer/api/v1"
	"deployer/providers"
)

// AddForeignUnit puts a running unit on the host that is not ours.
func (w *World) AddForeignUnit(service string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastPID++
	w.units[providers.UnitName{Service: service, Slot: v1.Primary}] = &Unit{
		Foreign: true, service: service, slot: v1.Primary,
		process: &process{
			pid: w.lastPID, since: w.Clock.wall, started: w.Clock.mono, group: controlGroup(service, v1.Primary),
		},
	}
}

// Kill is a kill -9 of the slot's process; systemd starts it again after its RestartSec.
func (w *World) Kill(service string, slot v1.Slot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.unit(service, slot)
	if u == nil || u.process == nil {
		return
	}
	w.end(u, "signal", 0, "KILL")
	w.leave(u, true)
}

// Turn makes running processes of a store path behave like that from now on, as a program
// does that loses its database.
func (w *World) Turn(storePath string, p Program) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Programs[storePath] = p
	for _, u := range w.units {
		if u.process != nil && u.process.release.StorePath == storePath {
			u.process.program = p
		}
	}
}

// StopByHand is a person's `systemctl stop`.
func (w *World) StopByHand(service string, slot v1.Slot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.unit(service, slot); u != nil {
		w.stop(u)
	}
}

// RemoveUnitByHand deletes the unit, its links and its process.
func (w *World) RemoveUnitByHand(service string, slot v1.Slot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.unit(service, slot); u != nil {
		w.stop(u)
		delete(w.units, providers.UnitName{Service: service, Slot: slot})
	}
}

// DamageRelease is a hand in what the slot's pointer leads to.
func (w *World) DamageRelease(service string, slot v1.Slot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.files(service)
	if name, staged := f.pointed(slot); staged != nil {
		f.damaged[name] = true
	}
}

// SetUpstream is a hand in the upstream file; empty deletes it.
func (w *World) SetUpstream(service, content string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files(service).upstream = content
}

// Reboot ends every process. Then the boot oneshot points every upstream file at its
// primary, and systemd starts what is linked and enabled; a standby never is.
func (w *World) Reboot() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range w.units {
		if u.Foreign {
			continue
		}
		u.process, u.leaving, u.restarting, u.failed, u.turnsAt, u.restarts = nil, false, false, false, 0, 0
	}
	for service, f := range w.releases {
		if _, staged := f.pointed(v1.Primary); staged != nil && f.upstream != "" && staged.Release.InternalPort != 0 {
			f.upstream = address(staged.Release.InternalPort)
		}
		u := w.unit(service, v1.Primary)
		if u == nil || u.Foreign || u.Masked || u.Unlinked || u.Disabled {
			continue
		}
		// A start that fails at boot is systemd's to repeat.
		_ = w.spawn(u)
	}
}

// holder says who listens on a port of 127.0.0.1, or "".
func (w *World) holder(port int) string {
	if port == 0 {
		return ""
	}
	if who := w.Listeners[port]; who != "" {
		return who
	}
	for name, u := range w.units {
		if p := u.process; p != nil && p.port == port && !p.portTaken && !p.program.NeverListens {
			return v1.UnitName(name.Service, name.Slot)
		}
	}
	return ""
}

func (w *World) runsFrom(storePath string) bool {
	for _, u := range w.units {
		if u.process != nil && u.process.release.StorePath == storePath {
			return true
		}
	}
	return false
}
