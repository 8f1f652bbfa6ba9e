package service

import (
	"context"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// stepUninstall deletes the stopped units of a service that goes.
type stepUninstall struct{}

func (stepUninstall) Name() string      { return "uninstall" }
func (stepUninstall) Condition() string { return "Uninstalled" }

func (stepUninstall) Done(s *Scope) bool { return len(s.ownSlots()) == 0 }

func (stepUninstall) Why(s *Scope) string {
	return v1.UnitName(s.Name, s.ownSlots()[0]) + " is still installed"
}

func (stepUninstall) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	for _, slot := range s.ownSlots() {
		if err := s.host.Units.Remove(ctx, s.Name, slot); err != nil {
			return reconcile.Result{}, fmt.Errorf("removing %s: %w", v1.UnitName(s.Name, slot), err)
		}
	}
	return reconcile.Result{}, nil
}

func (stepUninstall) Assume(s *Scope) {
	for _, slot := range s.ownSlots() {
		*s.unit(slot) = providers.UnitFacts{}
	}
}

// ownSlots are the slots whose unit is ours.
func (s *Scope) ownSlots() []v1.Slot {
	var out []v1.Slot
	for _, slot := range []v1.Slot{v1.Standby, v1.Primary} {
		if s.unit(slot).Ours {
			out = append(out, slot)
		}
	}
	return out
}
