package service

import (
	"context"
	"strconv"

	"deployer/reconcile"
)

// stepShift moves traffic to the instance: one rename of the upstream file.
type stepShift struct{}

func (stepShift) Name() string      { return "shift" }
func (stepShift) Condition() string { return "Serving" }

func (stepShift) Done(s *Scope) bool {
	return s.Target.port() == 0 || s.Facts.Releases.Upstream == upstream(s.Target.port())
}

func (stepShift) Why(s *Scope) string {
	if s.Facts.Releases.Upstream == "" {
		return "requests go nowhere yet"
	}
	return "requests go to " + s.Facts.Releases.Upstream
}

func (stepShift) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	return reconcile.Result{}, s.host.Releases.Shift(ctx, s.Name, s.Target.port())
}

func (stepShift) Assume(s *Scope) { s.Facts.Releases.Upstream = upstream(s.Target.port()) }

func upstream(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
