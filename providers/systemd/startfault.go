package systemd

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	switch result {
	case jobCanceled:
		return unavailable("starting", errors.New("another job took the place of ours"))
	case "dependency":
		return &providers.Fault{
			Reason:  "DependencyFailed",
			Message: fmt.Sprintf("a unit that %s requires does not start: see `systemctl list-dependencies %s`", unit, unit),
		}
	case jobUnheard:
		row, err := m.row(ctx, unit)
		switch {
		case err != nil:
			return err
		case row.ActiveState == "active":
			return nil
		case row.ActiveState == "activating" && row.SubState != "auto-restart":
			return unavailable("starting", errors.New("the result of the job was lost"))
		}
	}
	d, err := m.failedExit(ctx, unit)
	if err != nil {
		return err
	}
	return startFault(unit, result, d)
}

const (
	// exitPatience is how long a failed exit is looked for, every exitPause.
	exitPatience = time.Second
	exitPause    = 20 * time.Millisecond
)

// failedExit reads how a start failed. systemd tries again 10 ms after it, and forgets the
// exit while it does; what the host refuses fails again at once and the delays grow, so
// the exit is soon seen. A try that keeps running has got past what the host can refuse.
func (m *Manager) failedExit(ctx context.Context, unit string) (details, error) {
	deadline := time.NewTimer(exitPatience)
	defer deadline.Stop()
	for {
		d, _, err := m.fetch(ctx, unit)
		if err != nil || d.result != "success" {
			return d, err
		}
		select {
		case <-time.After(exitPause):
		case <-deadline.C:
			return d, nil
		case <-ctx.Done():
			return d, unavailable("asking why the start failed", ctx.Err())
		}
	}
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
	if d.result == "success" {
		return &providers.Fault{Reason: "ExitedAtStart", Own: true, Message: fmt.Sprintf(
			"%s ended while it started, and systemd tries again: %s", unit, see)}
	}
	return &providers.Fault{Reason: "ExitedAtStart", Own: true, Message: fmt.Sprintf(
		"%s ended with status %d while it started: %s", unit, d.exitStatus, see)}
}
