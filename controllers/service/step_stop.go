package service

import (
	"context"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/reconcile"
)

// stepStop stops what runs of a service that goes, standby first. A foreign unit of that
// name is left alone.
type stepStop struct{}

func (stepStop) Name() string      { return "stop" }
func (stepStop) Condition() string { return "Stopped" }

func (stepStop) Done(s *Scope) bool { return len(s.upSlots()) == 0 }

func (stepStop) Why(s *Scope) string {
	slot := s.upSlots()[0]
	return v1.UnitName(s.Name, slot) + " is " + s.unit(slot).Active
}

func (stepStop) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	for _, slot := range s.upSlots() {
		if err := s.host.Units.Stop(ctx, s.Name, slot); err != nil {
			return reconcile.Result{}, fmt.Errorf("stopping %s: %w", v1.UnitName(s.Name, slot), err)
		}
	}
	return reconcile.Result{}, nil
}

func (stepStop) Assume(s *Scope) {
	for _, slot := range s.upSlots() {
		s.unit(slot).Active = "inactive"
	}
}

// upSlots are our slots with a process, or with one coming or going.
func (s *Scope) upSlots() []v1.Slot {
	var out []v1.Slot
	for _, slot := range []v1.Slot{v1.Standby, v1.Primary} {
		u := s.unit(slot)
		if u.Ours && u.Active != "" && u.Active != "inactive" && u.Active != "failed" {
			out = append(out, slot)
		}
	}
	return out
}
