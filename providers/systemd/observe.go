package systemd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Observe looks at a slot's unit. With nothing changed it costs a share of one listing
// and a stat of the unit's file and of its process's credential.
func (m *Manager) Observe(ctx context.Context, spec providers.UnitSpec) (providers.UnitFacts, error) {
	facts, err := m.observe(ctx, spec)
	if err != nil {
		return providers.UnitFacts{}, fmt.Errorf("observing %s: %w", v1.UnitName(spec.Service, spec.Slot), err)
	}
	return facts, nil
}

func (m *Manager) observe(ctx context.Context, spec providers.UnitSpec) (providers.UnitFacts, error) {
	u, err := m.render(ctx, spec)
	if err != nil {
		return providers.UnitFacts{}, err
	}
	l, err := m.list(ctx)
	if err != nil {
		return providers.UnitFacts{}, err
	}
	f, err := m.look(ctx, l, u.Name)
	if err != nil {
		return providers.UnitFacts{}, err
	}
	facts := providers.UnitFacts{Found: f.found, Ours: f.owner == ours, Active: "inactive", Sub: "dead"}
	row, loaded := l.rows[u.Name]
	var d details
	if loaded {
		facts.Active, facts.Sub = row.ActiveState, row.SubState
		if f.found {
			if d, err = m.detail(ctx, l, u); err != nil {
				return providers.UnitFacts{}, err
			}
			fill(&facts, d)
			facts.Altered = facts.MainPID != 0 && f.changedBefore(facts.Started)
		}
	}
	facts.Differs = m.difference(u, spec, f, d)
	facts.Current = len(facts.Differs) == 0
	return facts, nil
}

// difference says what is not as the spec wants it. A foreign unit differs in one point.
func (m *Manager) difference(u Unit, spec providers.UnitSpec, f files, d details) []string {
	switch {
	case spec.Release == nil && f.owner == ours:
		return []string{"exists"}
	case spec.Release == nil:
		return nil
	case f.owner == foreign:
		return []string{"the name is taken by a unit that is not ours"}
	}
	out := f.differs(u, spec.Slot)
	if len(out) > 0 {
		return out // what is loaded follows
	}
	return slices.Clone(d.differs)
}

func fill(facts *providers.UnitFacts, d details) {
	facts.Since, facts.Started, facts.MainPID, facts.Restarts = d.since, d.started, d.mainPID, d.restarts
	facts.Result, facts.ExitStatus, facts.Signal = d.result, d.exitStatus, d.signal
	facts.Instance, facts.ControlGroup, facts.Memory = d.instance, d.cgroup, d.memory
}

// Owned lists our units: those whose text lies in our directory and whose name nobody
// else has taken since, and links to texts that are gone.
func (m *Manager) Owned(ctx context.Context) ([]providers.UnitName, error) {
	l, err := m.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing our units: %w", err)
	}
	names, err := m.disk.candidates(l)
	if err != nil {
		return nil, fmt.Errorf("listing our units: %w", err)
	}
	var out []providers.UnitName
	for _, unit := range names {
		f, err := m.disk.look(l, unit)
		if err != nil {
			return nil, fmt.Errorf("listing our units: %w", err)
		}
		if service, slot, ok := parseUnit(unit); ok && f.owner == ours {
			out = append(out, providers.UnitName{Service: service, Slot: slot})
		}
	}
	return out, nil
}

// candidates are the units that may be ours, by name, sorted.
func (d *disk) candidates(l *listing) ([]string, error) {
	dirs, err := d.read([]string{d.paths.Services()})
	if err != nil {
		return nil, err
	}
	var out []string
	for name := range dirs[d.paths.Services()].names {
		if strings.HasSuffix(name, ".service") {
			out = append(out, name)
		}
	}
	links := l.tree[d.paths.UnitDir]
	for name := range links.names {
		target, _, err := links.has(name)
		if err != nil {
			return nil, err
		}
		if target == d.text(name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
