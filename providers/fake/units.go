package fake

import (
	"context"
	"fmt"
	"sort"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// units is providers.Units.
type units struct{ w *World }

var _ providers.Units = units{}

func (s units) Observe(ctx context.Context, spec providers.UnitSpec) (f providers.UnitFacts, err error) {
	err = s.w.run(ctx, look("units.Observe", spec.Service, string(spec.Slot)), func() error {
		u := s.w.unit(spec.Service, spec.Slot)
		if u == nil {
			f = providers.UnitFacts{Active: "inactive", Sub: "dead", Current: spec.Release == nil}
			return nil
		}
		f = s.w.facts(u)
		if f.Ours {
			f.Differs = u.differs(spec)
			f.Current = len(f.Differs) == 0
			f.Altered = u.process != nil && u.process.altered && u.altered()
		}
		return nil
	})
	return f, err
}

func (s units) Owned(ctx context.Context) (out []providers.UnitName, err error) {
	err = s.w.run(ctx, look("units.Owned"), func() error {
		for name, u := range s.w.units {
			if !u.Foreign {
				out = append(out, name)
			}
		}
		sort.Slice(out, func(i, j int) bool {
			return v1.UnitName(out[i].Service, out[i].Slot) < v1.UnitName(out[j].Service, out[j].Slot)
		})
		return nil
	})
	return out, err
}

func (s units) Install(ctx context.Context, spec providers.UnitSpec) error {
	return s.w.run(ctx, act("units.Install", spec.Service, string(spec.Slot)), func() error {
		name := providers.UnitName{Service: spec.Service, Slot: spec.Slot}
		u := s.w.units[name]
		switch {
		case spec.Release == nil:
			return fmt.Errorf("installing %s: no release to render it from", v1.UnitName(spec.Service, spec.Slot))
		case u == nil:
			u = &Unit{service: spec.Service, slot: spec.Slot}
			s.w.units[name] = u
		case u.Foreign:
			return nameTaken(u)
		}
		u.spec = keep(spec)
		u.Masked, u.Unlinked, u.Disabled, u.Edited, u.DropIns = false, false, false, false, nil
		return nil
	})
}

func (s units) Start(ctx context.Context, service string, slot v1.Slot) error {
	return s.w.run(ctx, act("units.Start", service, string(slot)), func() error {
		u, err := s.w.ours(service, slot, "starting")
		if err != nil {
			return err
		}
		if u.Masked || u.Unlinked {
			return fmt.Errorf("starting %s: masked or not linked: %w", v1.UnitName(service, slot), providers.ErrNotFound)
		}
		s.w.watchInterruption(u, "started")
		return s.w.start(u)
	})
}

func (s units) Stop(ctx context.Context, service string, slot v1.Slot) error {
	return s.w.run(ctx, act("units.Stop", service, string(slot)), func() error {
		if s.w.unit(service, slot) == nil {
			return nil
		}
		u, err := s.w.ours(service, slot, "stopping")
		if err != nil {
			return err
		}
		s.w.watchInterruption(u, "stopped")
		s.w.stop(u)
		return nil
	})
}

func (s units) Remove(ctx context.Context, service string, slot v1.Slot) error {
	return s.w.run(ctx, act("units.Remove", service, string(slot)), func() error {
		u := s.w.unit(service, slot)
		switch {
		case u == nil:
			return nil
		case u.Foreign:
			return nameTaken(u)
		case u.process != nil || u.leaving || u.restarting:
			return fmt.Errorf("removing %s: it runs; stop it first: %w", v1.UnitName(service, slot), providers.ErrConflict)
		}
		delete(s.w.units, providers.UnitName{Service: service, Slot: slot})
		return nil
	})
}

func (s units) Journal(ctx context.Context, service string, slot v1.Slot, o providers.JournalOptions) (out []string, err error) {
	err = s.w.run(ctx, look("units.Journal", service, string(slot)), func() error {
		if u := s.w.unit(service, slot); u != nil {
			for _, line := range u.journal {
				if !line.at.Before(o.Since) {
					out = append(out, line.text)
				}
			}
			out = out[max(0, len(out)-o.Lines):]
		}
		return nil
	})
	return out, err
}

func (s units) LastExit(ctx context.Context, service string, slot v1.Slot) (out providers.Exit, err error) {
	err = s.w.run(ctx, look("units.LastExit", service, string(slot)), func() error {
		u := s.w.unit(service, slot)
		if u == nil || u.exit == nil {
			return fmt.Errorf("the last exit of %s: %w", v1.UnitName(service, slot), providers.ErrNotFound)
		}
		out = *u.exit
		return nil
	})
	return out, err
}

// ours is the slot's unit if it carries our mark.
func (w *World) ours(service string, slot v1.Slot, doing string) (*Unit, error) {
	u := w.unit(service, slot)
	switch {
	case u == nil:
		return nil, fmt.Errorf("%s %s: not installed: %w", doing, v1.UnitName(service, slot), providers.ErrNotFound)
	case u.Foreign:
		w.watch.broken("7: %s %s, which is not ours", doing, v1.UnitName(service, slot))
		return nil, nameTaken(u)
	}
	return u, nil
}

func (w *World) unit(service string, slot v1.Slot) *Unit {
	return w.units[providers.UnitName{Service: service, Slot: slot}]
}

func nameTaken(u *Unit) error {
	name := v1.UnitName(u.service, u.slot)
	return &providers.Fault{
		Reason:  "NameTaken",
		Message: fmt.Sprintf("%s exists on this host and is not ours: give the service another name", name),
		Err:     providers.ErrConflict,
	}
}
