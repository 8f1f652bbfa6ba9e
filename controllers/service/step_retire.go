package service

import (
	"context"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// stepRetire stops a slot for good and takes its unit and pointer away: the standby after
// a rollout, and the primary of a release that is bad and the only one. Its release
// directory stays. It is never the slot that has the requests and is well, and never in a
// pass in which an observation failed.
type stepRetire struct{ slot v1.Slot }

func (stepRetire) Name() string        { return "retire" }
func (r stepRetire) of() v1.Slot       { return r.slot }
func (r stepRetire) Condition() string { return conditionIn(r.slot, "Retired") }

func (r stepRetire) Done(s *Scope) bool {
	return s.uncertain() != nil || r.gone(s) || s.live() == r.slot && s.well(r.slot)
}

func (r stepRetire) gone(s *Scope) bool {
	_, pointed := s.Facts.Releases.Pointers[r.slot]
	return !pointed && !s.unit(r.slot).Ours
}

func (r stepRetire) lenient(s *Scope) (v1.ConditionStatus, error) {
	if r.gone(s) {
		return v1.True, nil
	}
	return v1.Unknown, s.uncertain()
}

func (r stepRetire) Why(s *Scope) string {
	if u := s.unit(r.slot); u.Instance != "" {
		return fmt.Sprintf("the %s slot still runs %s", r.slot, u.Instance)
	}
	return fmt.Sprintf("the %s slot is not needed any more", r.slot)
}

// Run takes the pointer last: until then the unit is whole, and another try finds it.
func (r stepRetire) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	unit := v1.UnitName(s.Name, r.slot)
	if s.unit(r.slot).Ours {
		if err := s.host.Units.Stop(ctx, s.Name, r.slot); err != nil {
			return reconcile.Result{}, fmt.Errorf("stopping %s: %w", unit, err)
		}
		if err := s.host.Units.Remove(ctx, s.Name, r.slot); err != nil {
			return reconcile.Result{}, fmt.Errorf("removing %s: %w", unit, err)
		}
	}
	if err := s.host.Releases.Point(ctx, s.Name, r.slot, ""); err != nil {
		return reconcile.Result{}, fmt.Errorf("removing the pointer of the %s slot: %w", r.slot, err)
	}
	*s.mind(r.slot) = slotMemory{} // another try begins anew
	return reconcile.Result{}, nil
}

func (r stepRetire) Assume(s *Scope) {
	delete(s.Facts.Releases.Pointers, r.slot)
	*s.Facts.of(r.slot) = slotFacts{Unit: providers.UnitFacts{Active: "inactive"}}
}
