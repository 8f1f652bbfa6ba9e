package systemd

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"

	"deployer/providers"
)

// systemd's own exit statuses (systemd.exec(5)): a process that could not be set up ends
// with one of them before the program runs.
const (
	setupFirst = 200
	setupExec  = 203 // the program itself could not be executed
	setupLast  = 245
)

// refusal explains systemd's no to a job.
func refusal(unit string, err error) error {
	var e dbus.Error
	if !errors.As(err, &e) {
		return err
	}
	return &providers.Fault{
		Reason:  "JobRefused",
		Message: fmt.Sprintf("systemd refuses the job (%s): see `systemctl status %s`", e.Error(), unit),
		Err:     e,
	}
}

// judgeStart says why a start job did not end as done. Only what the program itself did is
// its own fault; users, name spaces, credentials and other units are the host's.
func (m *Manager) judgeStart(ctx context.Context, unit, result string) error {
	m.changed(unit)
	d, p, err := m.fetch(ctx, unit)
	if err != nil {
		return err
	}
	switch result {
	case jobCanceled:
		return unavailable("starting", errors.New("another job took the place of ours"))
	case "unheard":
		if p.text("ActiveState") == "active" {
			return nil
		}
		if p.text("ActiveState") == "activating" && p.text("SubState") != "auto-restart" {
			return unavailable("starting", errors.New("the result of the job was lost"))
		}
	case "dependency":
		return &providers.Fault{
			Reason:  "DependencyFailed",
			Message: fmt.Sprintf("a unit that %s requires does not start: see `systemctl list-dependencies %s`", unit, unit),
		}
	}
	return startFault(unit, result, d)
}

// startFault tells from the last exit whose fault it was.
func startFault(unit, result string, d details) error {
	see := fmt.Sprintf("see `journalctl -u %s`", unit)
	switch {
	case d.result == "resources":
		return &providers.Fault{Reason: "StartRefused", Message: "systemd could not prepare " + unit +
			" (a missing environment or secrets file, or no memory): " + see}
	case d.exitStatus == setupExec:
		return &providers.Fault{Reason: "ExecFailed", Own: true, Message: unit +
			": the program cannot be executed (missing, not executable, or of another architecture): " + see}
	case d.exitStatus >= setupFirst && d.exitStatus <= setupLast:
		return &providers.Fault{Reason: "SandboxFailed", Message: fmt.Sprintf(
			"systemd could not set up the process of %s (status %d): %s", unit, d.exitStatus, see)}
	case result == "timeout" || d.result == "timeout":
		return &providers.Fault{Reason: "StartTimedOut", Own: true, Message: unit +
			" did not say that it is ready in time: " + see}
	case d.signal == "SYS":
		return &providers.Fault{Reason: "SystemCallRefused", Own: true, Message: unit +
			" made a system call that its hardening refuses: hardening.allow has words for what it needs (resources, privileged, debug, …); " + see}
	case d.signal != "":
		return &providers.Fault{Reason: "ExitedAtStart", Own: true, Message: fmt.Sprintf(
			"%s was ended by %s while it started: %s", unit, d.signal, see)}
	}
	return &providers.Fault{Reason: "ExitedAtStart", Own: true, Message: fmt.Sprintf(
		"%s ended with status %d while it started: %s", unit, d.exitStatus, see)}
}
