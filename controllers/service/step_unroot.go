package service

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"deployer/reconcile"
)

// stepUnroot gives a removed service's closures to the collector, once nothing runs them.
type stepUnroot struct{}

func (stepUnroot) Name() string      { return "unroot" }
func (stepUnroot) Condition() string { return "Unrooted" }

func (stepUnroot) Done(s *Scope) bool { return len(s.Facts.Roots) == 0 }

func (stepUnroot) Why(s *Scope) string {
	return "GC roots are left: " + strings.Join(slices.Sorted(maps.Keys(s.Facts.Roots)), ", ")
}

func (stepUnroot) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	for _, root := range slices.Sorted(maps.Keys(s.Facts.Roots)) {
		if err := s.host.Closures.Unroot(ctx, root); err != nil {
			return reconcile.Result{}, fmt.Errorf("removing root %s: %w", root, err)
		}
	}
	return reconcile.Result{}, nil
}

func (stepUnroot) Assume(s *Scope) { clear(s.Facts.Roots) }
