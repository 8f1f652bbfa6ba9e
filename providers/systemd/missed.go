package systemd

import (
	"context"
	"errors"
	"fmt"
)

// StartMissed starts the primaries that are enabled and that systemd could not find when
// it booted: their texts lie below /var, which may be a disk that is mounted later than
// units are read. It only enqueues the jobs, for it runs in a unit that they wait for, and
// gives the names of the units.
func (m *Manager) StartMissed(ctx context.Context) ([]string, error) {
	missed, err := m.missed(ctx)
	if err != nil || len(missed) == 0 {
		return nil, err
	}
	if err := m.reload.do(ctx); err != nil {
		return nil, fmt.Errorf("starting %d units that the boot missed: %w", len(missed), err)
	}
	bus, err := m.conn.get(ctx)
	if err != nil {
		return nil, unavailable("connecting to systemd", err)
	}
	var started []string
	var problems []error
	for _, unit := range missed {
		// Nobody listens: the results of its jobs are the daemon's to see.
		if _, err := bus.Restart(ctx, unit, make(chan string, 1)); err != nil {
			problems = append(problems, fmt.Errorf("starting %s: %w", unit, err))
			continue
		}
		started = append(started, unit)
	}
	return started, errors.Join(problems...)
}

// missed are our units that multi-user.target wants and systemd looked for in vain.
func (m *Manager) missed(ctx context.Context) ([]string, error) {
	l, err := m.list(ctx)
	if err != nil {
		return nil, err
	}
	names, err := m.disk.candidates(l)
	if err != nil {
		return nil, fmt.Errorf("listing our units: %w", err)
	}
	var out []string
	for _, unit := range names {
		f, err := m.disk.look(l, unit)
		if err != nil {
			return nil, fmt.Errorf("listing our units: %w", err)
		}
		row := l.rows[unit]
		lost := row.LoadState == "not-found" && row.ActiveState == "inactive"
		if lost && f.owner == ours && f.text.found && f.linked && f.enabled && len(f.masks) == 0 {
			out = append(out, unit)
		}
	}
	return out, nil
}
