package service

import (
	"context"

	"deployer/reconcile"
)

// stepRoot roots the closure before it is pulled: a collector may run in between, and a
// dangling root is kept.
type stepRoot struct{}

func (stepRoot) Name() string      { return "root" }
func (stepRoot) Condition() string { return "Rooted" }

func (stepRoot) Done(s *Scope) bool {
	return s.Facts.Roots[s.rootName()] == s.Target.Release.StorePath
}

func (stepRoot) Why(s *Scope) string {
	return "the closure has no GC root " + s.rootName()
}

func (stepRoot) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	return reconcile.Result{}, s.host.Closures.Root(ctx, s.rootName(), s.Target.Release.StorePath)
}

func (stepRoot) Assume(s *Scope) {
	s.Facts.Roots[s.rootName()] = s.Target.Release.StorePath
}

func (s *Scope) rootName() string { return s.Target.root }
