package service

import (
	"context"
	"time"

	"deployer/providers"
	"deployer/reconcile"
)

// stepUnroute begins a removal: no new request may come in. While Caddy does not answer,
// nothing is removed; and a service that goes under another name serves until that one does.
type stepUnroute struct{}

func (stepUnroute) Name() string      { return "unroute" }
func (stepUnroute) Condition() string { return "Unrouted" }

func (stepUnroute) Done(s *Scope) bool {
	return s.Facts.RouteErr == nil && !s.Facts.Route.Found && s.Successor == ""
}

func (stepUnroute) Why(s *Scope) string {
	if s.Successor != "" {
		return s.Successor + " takes its place, and does not serve yet"
	}
	if s.Facts.RouteErr != nil {
		return "whether Caddy has a route for it is not known"
	}
	return "Caddy has a route for it"
}

func (stepUnroute) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	if s.Facts.RouteErr != nil {
		return reconcile.Result{}, s.Facts.RouteErr
	}
	if s.Successor != "" {
		return reconcile.Result{RequeueAfter: time.Second}, nil
	}
	return reconcile.Result{}, s.host.Routes.Remove(ctx, s.Name)
}

func (stepUnroute) Assume(s *Scope) {
	s.Facts.Route, s.Facts.RouteErr, s.Successor = providers.RouteFacts{}, nil, ""
}
