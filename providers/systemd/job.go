package systemd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Results of a job, as systemd names them.
const (
	jobDone     = "done"
	jobCanceled = "canceled"
	// jobUnheard and jobPending are our own: the job is gone and nobody told how it ended;
	// the job goes on and we do not wait for it.
	jobUnheard = "unheard"
	jobPending = "pending"
	// jobVanished: the job goes on, and will never come to a good end.
	jobVanished = "vanished"
)

// lookAgain is how often a job that was not heard of is looked for: the connection that
// would bring its result may have died. It is also how long a program is waited for that
// says itself when it is ready.
const lookAgain = time.Second

// enqueue is Bus.Restart or Bus.Stop.
type enqueue func(Bus, context.Context, string, chan<- string) (int, error)

// Start starts the slot, or restarts it when it runs, and waits until systemd calls it
// started. A program that does not come up is a *providers.Fault with Own set; when the
// outcome stays unknown the error is ErrUnavailable and the state must be read again,
// for the job may have been done. A unit of Type=notify may be activating when it returns:
// it may take as long as a health deadline, which no worker can wait for.
func (m *Manager) Start(ctx context.Context, service string, slot v1.Slot) error {
	unit := v1.UnitName(service, slot)
	if err := m.start(ctx, unit); err != nil {
		return fmt.Errorf("starting %s: %w", unit, err)
	}
	return nil
}

func (m *Manager) start(ctx context.Context, unit string) error {
	if _, err := m.claim(ctx, unit); errors.Is(err, errNoUnit) {
		return fmt.Errorf("%w: install it first", providers.ErrNotFound)
	} else if err != nil {
		return err
	}
	defer m.changed(unit)
	if err := m.resetFailed(ctx, unit); err != nil {
		return err
	}
	result, err := m.job(ctx, unit, Bus.Restart, m.leaveStart)
	switch {
	case err != nil:
		return refusal(unit, err)
	case result == jobDone, result == jobPending:
		return nil
	case result == jobVanished:
		return m.takeBack(ctx, unit)
	}
	return m.judgeStart(ctx, unit, result)
}

// leaveStart says why a start is not waited for any longer; empty while it is.
func (m *Manager) leaveStart(ctx context.Context, row Row) string {
	switch {
	case vanished(row):
		return jobVanished
	case m.notReadyYet(ctx, row):
		return jobPending
	}
	return ""
}

// notReadyYet reports whether a unit of Type=notify has its process and waits for its word.
func (m *Manager) notReadyYet(ctx context.Context, row Row) bool {
	if row.ActiveState != "activating" || row.SubState != "start" {
		return false
	}
	_, p, err := m.fetch(ctx, row.Name)
	return err == nil && strings.HasPrefix(p.text("Type"), "notify")
}

// vanished: without its text systemd forgets what it waits for, and waits until the start
// has taken too long. That would look like the release's own fault.
func vanished(r Row) bool { return r.LoadState == "not-found" || r.LoadState == "masked" }

// wholeJob is for jobs that are waited for to their end.
func wholeJob(context.Context, Row) string { return "" }

// takeBack ends a start that can come to no end, with its process: a unit that is neither
// started nor stopped would stay so when its text is there again.
func (m *Manager) takeBack(ctx context.Context, unit string) error {
	_, err := m.job(ctx, unit, Bus.Stop, wholeJob)
	return &providers.Fault{
		Reason:  "UnitVanished",
		Message: fmt.Sprintf("somebody removed or masked %s while it was started; it is installed and started anew", unit),
		Err:     errors.Join(providers.ErrConflict, err),
	}
}

// Stop stops the slot and waits until its processes are gone, killed after stopTimeout.
func (m *Manager) Stop(ctx context.Context, service string, slot v1.Slot) error {
	unit := v1.UnitName(service, slot)
	if err := m.stop(ctx, unit); err != nil {
		return fmt.Errorf("stopping %s: %w", unit, err)
	}
	return nil
}

func (m *Manager) stop(ctx context.Context, unit string) error {
	if _, err := m.claim(ctx, unit); errors.Is(err, errNoUnit) {
		return nil
	} else if err != nil {
		return err
	}
	defer m.changed(unit)
	result, err := m.job(ctx, unit, Bus.Stop, wholeJob)
	switch {
	case isDBusError(err, noSuchUnit):
		return nil
	case err != nil:
		return refusal(unit, err)
	case result == jobDone:
		return nil
	}
	row, err := m.row(ctx, unit)
	if err != nil {
		return err
	}
	if stopped(row) {
		return nil
	}
	return unavailable("stopping", fmt.Errorf("the job ended as %s and the unit is %s", result, row.ActiveState))
}

const noSuchUnit = "org.freedesktop.systemd1.NoSuchUnit"

// resetFailed clears the failures of before, and with them the growing restart delay.
func (m *Manager) resetFailed(ctx context.Context, unit string) error {
	err := m.conn.once(ctx, callTimeout, func(ctx context.Context, b Bus) error { return b.ResetFailed(ctx, unit) })
	if err == nil || isDBusError(err, noSuchUnit) {
		return nil
	}
	return unavailable("clearing the failures of "+unit, err)
}

// job enqueues a job and waits for its result, or until leave gives one of its own. It
// never enqueues twice: when the result is not heard, the state of the unit stands for it.
func (m *Manager) job(ctx context.Context, unit string, begin enqueue, leave func(context.Context, Row) string) (string, error) {
	bus, err := m.conn.get(ctx)
	if err != nil {
		return "", unavailable("connecting to systemd", err)
	}
	heard := make(chan string, 1)
	call, cancel := context.WithTimeout(ctx, callTimeout)
	id, err := begin(bus, call, unit, heard)
	cancel()
	if err != nil {
		if answered(err) {
			return "", err
		}
		return "", unavailable("asking systemd for a job", err)
	}
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		select {
		case result := <-heard:
			return result, nil
		case <-ctx.Done():
			return "", unavailable("waiting for systemd's job", ctx.Err())
		case <-tick.C:
		}
		row, err := m.row(ctx, unit)
		if err != nil {
			continue // systemd is busy or starts anew; ctx bounds it
		}
		if result, ended := unheard(row, id, heard); ended {
			return result, nil
		}
		if result := leave(ctx, row); result != "" {
			return result, nil
		}
	}
}

// unheard gives the result of a job that is no longer there: what was heard meanwhile, or
// nothing that systemd would say, so that the state decides.
func unheard(row Row, id int, heard <-chan string) (string, bool) {
	if int(row.JobId) == id && id != 0 {
		return "", false
	}
	select {
	case result := <-heard:
		return result, true
	case <-time.After(lookAgain / 10):
		return jobUnheard, true
	}
}

// row reads the unit's row anew; a unit that is not loaded is inactive.
func (m *Manager) row(ctx context.Context, unit string) (Row, error) {
	m.changed(unit)
	l, err := m.list(ctx)
	if err != nil {
		return Row{}, err
	}
	row, ok := l.rows[unit]
	if !ok {
		return Row{Name: unit, ActiveState: "inactive", SubState: "dead"}, nil
	}
	return row, nil
}

func stopped(r Row) bool { return r.ActiveState == "inactive" || r.ActiveState == "failed" }
