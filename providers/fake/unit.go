package fake

import (
	"maps"
	"slices"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Unit is a systemd unit with its files. Tests tamper with the exported fields.
type Unit struct {
	// Foreign: somebody else's; it has no mark of ours.
	Foreign bool
	// Unlinked: the link in the unit directory is gone, as after the reboot of the first
	// system of this kind.
	Unlinked bool
	// Disabled: the primary's link in multi-user.target.wants is gone.
	Disabled bool
	// Masked: a link to /dev/null hides it.
	Masked bool
	// Edited: somebody changed the unit file.
	Edited bool
	// DropIns are drop-in files, none of which is ours.
	DropIns []string

	service string
	slot    v1.Slot
	// spec is what it was rendered from.
	spec    providers.UnitSpec
	process *process
	// turnsAt is when the process exits or, while restarting, starts again; 0 is never.
	turnsAt time.Duration
	// leaving: the process has ended, and its ExecStopPost runs; again: it starts anew then.
	leaving, again bool
	restarting     bool
	restarts       int
	failed         bool
	result         string
	status         int
	signal         string
	journal        []journalLine
	// exit is the last one, which outlives the next start.
	exit *providers.Exit
}

type journalLine struct {
	at   time.Time
	text string
}

// Running is the instance that a process of the slot runs, or empty.
func (u *Unit) Running() string {
	if u == nil || u.process == nil {
		return ""
	}
	return u.process.instance
}

// sameText reports whether two releases give the same unit file. Store path, NAR hash,
// env, secrets and attempt are behind the pointer: units name no release. By hand, for
// every pass of every service comes through here.
func sameText(a, b *v1.Release) bool {
	return a.Service == b.Service && a.InternalPort == b.InternalPort && a.HealthType == b.HealthType &&
		a.StateDirectory == b.StateDirectory && a.Resources == b.Resources &&
		a.Exec.User == b.Exec.User && a.Exec.Group == b.Exec.Group &&
		slices.Equal(a.Exec.Command, b.Exec.Command) && slices.Equal(a.Exec.Args, b.Exec.Args) &&
		a.Systemd.Restart == b.Systemd.Restart && a.Systemd.RestartSec == b.Systemd.RestartSec &&
		slices.Equal(a.Systemd.After, b.Systemd.After) && slices.Equal(a.Systemd.Requires, b.Systemd.Requires) &&
		sameHardening(a.Hardening, b.Hardening)
}

func sameHardening(a, b v1.Hardening) bool {
	return a.Profile == b.Profile && a.ProtectSystem == b.ProtectSystem && a.ProtectHome == b.ProtectHome &&
		samePointed(a.DynamicUser, b.DynamicUser) && samePointed(a.PrivateTmp, b.PrivateTmp) &&
		slices.Equal(a.Allow, b.Allow)
}

func samePointed(a, b *bool) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// altered reports whether a program started now would run by somebody's settings.
func (u *Unit) altered() bool { return u.Edited || len(u.DropIns) > 0 }

// differs says what of the unit is not as the spec wants it.
func (u *Unit) differs(want providers.UnitSpec) []string {
	if want.Release == nil {
		return []string{"there should be no unit"}
	}
	var out []string
	add := func(wrong bool, what string) {
		if wrong {
			out = append(out, what)
		}
	}
	add(u.Masked, "masked")
	add(u.Unlinked, "not linked")
	add(u.Disabled && u.slot == v1.Primary, "disabled")
	add(u.Edited || u.spec.Release == nil || !sameText(u.spec.Release, want.Release), "unit file")
	for _, d := range u.DropIns {
		out = append(out, "drop-in "+d)
	}
	return out
}

func (w *World) facts(u *Unit) providers.UnitFacts {
	f := providers.UnitFacts{
		Found: true, Ours: !u.Foreign, Active: "inactive", Sub: "dead",
		Restarts: u.restarts, Result: u.result, ExitStatus: u.status, Signal: u.signal,
	}
	switch p := u.process; {
	case p != nil && p.program.FailsToStart:
		f.Active, f.Sub, f.MainPID, f.Started = "activating", "start", p.pid, p.since
	case p != nil && !w.ready(u):
		f.Active, f.Sub, f.Started, f.MainPID = "activating", "start", p.since, p.pid
		f.Instance, f.ControlGroup = p.instance, p.group
	case p != nil:
		f.Active, f.Sub, f.Since, f.Started, f.MainPID = "active", "running", p.since, p.since, p.pid
		if p.notifies() {
			f.Since = p.since.Add(p.program.StartsAfter)
		}
		f.Instance, f.ControlGroup = p.instance, p.group
	case u.leaving:
		f.Active, f.Sub = "deactivating", "stop-post"
	case u.restarting:
		f.Active, f.Sub = "activating", "auto-restart"
	case u.failed:
		f.Active, f.Sub = "failed", "failed"
	}
	return f
}

func controlGroup(service string, slot v1.Slot) string {
	return "/system.slice/" + v1.UnitName(service, slot)
}

// keep copies the release of a spec, so that the caller's later changes are not ours.
func keep(s providers.UnitSpec) providers.UnitSpec {
	r := *s.Release
	r.Env, r.Exec.Args = maps.Clone(r.Env), slices.Clone(r.Exec.Args)
	r.Exec.Command, r.Hardening.Allow = slices.Clone(r.Exec.Command), slices.Clone(r.Hardening.Allow)
	s.Release = &r
	return s
}

// note writes a journal line; the last thousand are kept.
func (u *Unit) note(at time.Time, lines ...string) {
	const most = 1000
	for _, line := range lines {
		u.journal = append(u.journal, journalLine{at, line})
	}
	if over := len(u.journal) - most; over > 0 {
		u.journal = slices.Clone(u.journal[over:])
	}
}
