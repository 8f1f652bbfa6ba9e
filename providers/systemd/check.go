package systemd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

const (
	// checkTimeout is that of a request without one.
	checkTimeout = 5 * time.Second
	// checkGrace is what systemd may take on top, to start the command and to be done with it.
	checkGrace = 10 * time.Second
	// notice and above are logged: systemd tells of each start and end of a unit below it.
	notice = int32(5)
)

const (
	unitExists      = "org.freedesktop.systemd1.UnitExists"
	reasonExec      = "ExecFailed"
	reasonTimedOut  = "TimedOut"
	checkUnitSuffix = ".check.service"
)

// Check runs a release's health command once, as the service would: as its user, with its
// environment and secrets, in its sandbox, under the limits of its resources. Exit status 0
// is well. What it prints goes to the journal of its unit, for it may hold secrets.
//
// It runs in a transient unit: nothing of the daemon's own sandbox and environment is
// around it, and its time limit holds when the daemon is gone. The unit has one name for
// each slot, so that what a dead daemon left is found by the next one.
//
// A command that fails is an answer; an error is the host's, and says nothing of the release.
func (m *Manager) Check(ctx context.Context, r providers.ProbeRequest) (providers.ProbeResult, error) {
	unit := checkUnit(r.Service, r.Slot)
	result, err := m.check(ctx, unit, r)
	if err != nil {
		return providers.ProbeResult{}, fmt.Errorf("running %s: %w", unit, err)
	}
	return result, nil
}

// checkUnit has a dot in it, which no service's name has.
func checkUnit(service string, slot v1.Slot) string {
	return strings.TrimSuffix(v1.UnitName(service, slot), ".service") + checkUnitSuffix
}

// UnitsOf names all units in which something of a service may run: its slots, and their
// health commands.
func UnitsOf(service string) []string {
	return []string{
		v1.UnitName(service, v1.Primary), v1.UnitName(service, v1.Standby),
		checkUnit(service, v1.Primary), checkUnit(service, v1.Standby),
	}
}

func (m *Manager) check(ctx context.Context, unit string, r providers.ProbeRequest) (providers.ProbeResult, error) {
	properties, err := m.checkProperties(r)
	if err != nil {
		return providers.ProbeResult{}, err
	}
	limited, cancel := context.WithTimeout(ctx, timeoutOf(r)+checkGrace)
	defer cancel()
	start := func(b Bus, ctx context.Context, unit string, heard chan<- string) (int, error) {
		return b.StartTransient(ctx, unit, properties, heard)
	}
	result, err := m.job(limited, unit, start, wholeJob)
	if isDBusError(err, unitExists) {
		if err := m.abandon(limited, unit); err != nil {
			return providers.ProbeResult{}, err
		}
		result, err = m.job(limited, unit, start, wholeJob)
	}
	if limited.Err() != nil {
		// Nobody waits for it any more. A connection that is gone leaves it to its time limit.
		_ = m.abandon(context.WithoutCancel(ctx), unit)
	}
	switch {
	case err != nil:
		return providers.ProbeResult{}, refusal(unit, err)
	case result == jobDone:
		return providers.ProbeResult{OK: true, Answer: "exit status 0"}, nil
	case result != "failed" && result != "timeout" && result != jobUnheard:
		return providers.ProbeResult{}, unavailable("waiting for the health command", fmt.Errorf("the job ended as %s", result))
	}
	return m.judgeCheck(ctx, unit, r)
}

// abandon ends a check that somebody left behind, or that nobody waits for.
func (m *Manager) abandon(ctx context.Context, unit string) error {
	ctx, cancel := context.WithTimeout(ctx, checkGrace)
	defer cancel()
	if _, err := m.job(ctx, unit, Bus.Stop, wholeJob); err != nil && !isDBusError(err, noSuchUnit) {
		return err
	}
	return m.resetFailed(ctx, unit)
}

// judgeCheck reads how the command ended. A unit that failed stays until it is reset.
func (m *Manager) judgeCheck(ctx context.Context, unit string, r providers.ProbeRequest) (providers.ProbeResult, error) {
	d, _, err := m.fetch(ctx, unit)
	if err != nil {
		return providers.ProbeResult{}, err
	}
	if err := m.resetFailed(ctx, unit); err != nil {
		return providers.ProbeResult{}, err
	}
	see := fmt.Sprintf("; see `journalctl -u %s`", strings.TrimSuffix(unit, ".service"))
	failed := func(reason, answer string) (providers.ProbeResult, error) {
		return providers.ProbeResult{Reason: reason, Answer: answer + see}, nil
	}
	switch {
	case d.result == "timeout":
		return failed(reasonTimedOut, fmt.Sprintf("no exit within %s", timeoutOf(r)))
	case d.exitStatus == setupExec:
		return failed(reasonExec, "the command cannot be executed (missing, not executable, or of another architecture)")
	case d.exitStatus >= setupFirst && d.exitStatus <= setupLast, d.result == "resources", d.result == "success":
		return providers.ProbeResult{}, &providers.Fault{
			Reason:  "CheckNotRun",
			Message: fmt.Sprintf("systemd could not run the health command (%s, status %d)%s", d.result, d.exitStatus, see),
			Err:     providers.ErrUnavailable,
		}
	case d.signal == "SYS":
		return failed(reasonExec, "ended by SYS: it made a system call that its hardening refuses")
	case d.signal != "":
		return failed(reasonExec, "ended by "+d.signal)
	}
	return failed(reasonExec, fmt.Sprintf("exit status %d", d.exitStatus))
}

func timeoutOf(r providers.ProbeRequest) time.Duration {
	if t := time.Duration(r.Health.Timeout); t > 0 {
		return t
	}
	return checkTimeout
}

// checkProperties is the unit of a check.
func (m *Manager) checkProperties(r providers.ProbeRequest) ([]Property, error) {
	if r.Release == nil || len(r.Health.Exec) == 0 {
		return nil, errors.New("there is no health command, or no release that it is of")
	}
	path, err := programPath("health.exec", r.Release.StorePath, r.Health.Exec[0])
	if err != nil {
		return nil, err
	}
	words := append([]string{path}, r.Health.Exec[1:]...)
	for _, w := range words {
		if err := checkText(w); err != nil {
			return nil, fmt.Errorf("health.exec: %w", err)
		}
	}
	lines, err := checkLines(r, m.o.Paths)
	if err != nil {
		return nil, err
	}
	inherited, err := transient(lines)
	if err != nil {
		return nil, err
	}
	return append(inherited,
		property("Description", fmt.Sprintf("health check of %s (%s)", r.Service, r.Slot)),
		property("Type", "oneshot"),
		property("ExecStartEx", []command{{Path: path, Argv: words, Flags: []string{"no-env-expand"}}}),
		property("TimeoutStartUSec", uint64(timeoutOf(r)/time.Microsecond)),
		property("TimeoutStartFailureMode", "kill"),
		property("TimeoutStopUSec", uint64(time.Second/time.Microsecond)),
		property("StartLimitIntervalUSec", uint64(0)),
		// Not one line for each start and end of it; what it says itself is shown.
		property("SyslogLevel", notice), property("LogLevelMax", notice),
		// It is the service's own, which the check must not have: it would go with it.
		property("Environment", []string{"RUNTIME_DIRECTORY=/run/" + runtimeDirectory(r.Service, r.Slot)}),
	), nil
}

// checkLines are the lines of the slot's unit that make where its process runs.
func checkLines(q providers.ProbeRequest, paths providers.Paths) ([]directive, error) {
	spec := providers.UnitSpec{Service: q.Service, Slot: q.Slot, Release: q.Release}
	if q.Slot == v1.Standby {
		spec.StandbyPort = q.Port
	}
	r := renderer{spec: spec, release: *q.Release, o: RenderOptions{Paths: paths}, unit: &Unit{Name: v1.UnitName(q.Service, q.Slot)}}
	var out []directive
	for _, part := range []func() ([]directive, error){
		r.environment, r.identity, r.limits,
		func() ([]directive, error) { return sandbox(q.Release.Hardening) },
	} {
		lines, err := part()
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	return slices.DeleteFunc(out, func(d directive) bool { return d.key == "LoadCredential" || d.key == "RuntimeDirectory" }), nil
}
