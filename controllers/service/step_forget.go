package service

import (
	"context"

	"deployer/providers"
	"deployer/reconcile"
)

// stepForget ends a removal: release directories, pointers and the upstream file go. The
// secrets file stays: it is the operator's.
type stepForget struct{}

func (stepForget) Name() string      { return "forget" }
func (stepForget) Condition() string { return "Forgotten" }

func (stepForget) Done(s *Scope) bool {
	r := s.Facts.Releases
	return len(r.Staged) == 0 && len(r.Pointers) == 0 && r.Upstream == ""
}

func (stepForget) Why(*Scope) string { return "its release directories are left" }

func (stepForget) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	return reconcile.Result{}, s.host.Releases.Forget(ctx, s.Name)
}

func (stepForget) Assume(s *Scope) { s.Facts.Releases = providers.ReleaseFacts{} }
