package service

import (
	"context"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// stepRoute writes the service's route in Caddy when domain, aliases or path changed,
// and takes it away from a service that has no http any more. A release never writes it.
//
// A Caddy that does not answer does not keep a service from starting: the step lets the
// plan go on, and the pass ends with the reason (see Reconciler.pass).
type stepRoute struct{}

func (stepRoute) Name() string      { return "route" }
func (stepRoute) Condition() string { return "Routed" }

// Done removes nothing while anything of the service is not known.
func (stepRoute) Done(s *Scope) bool {
	switch {
	case s.Facts.RouteErr != nil || s.memory.routeErr != nil:
		return true
	case !s.routed():
		return !s.Target.Wanted || !s.Facts.Route.Found || s.uncertain() != nil
	}
	return s.Facts.Route.Current
}

func (stepRoute) lenient(s *Scope) (v1.ConditionStatus, error) {
	switch {
	case s.Facts.RouteErr != nil:
		return v1.Unknown, s.Facts.RouteErr
	case s.memory.routeErr != nil:
		return v1.False, s.memory.routeErr
	}
	return v1.True, nil
}

func (stepRoute) Why(s *Scope) string {
	switch {
	case !s.routed():
		return "the service has no http any more, but Caddy has a route for it"
	case !s.Facts.Route.Found:
		return "Caddy has no route for it"
	}
	return "the route in Caddy differs: " + s.Facts.Route.Differs
}

func (stepRoute) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	if want := s.wantsRoute(); want != nil {
		return reconcile.Result{}, s.host.Routes.Put(ctx, *want)
	}
	return reconcile.Result{}, s.host.Routes.Remove(ctx, s.Name)
}

func (stepRoute) Assume(s *Scope) {
	want := s.routed()
	s.Facts.Route = providers.RouteFacts{Found: want, Current: want}
}
