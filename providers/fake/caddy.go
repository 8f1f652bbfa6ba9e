package fake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"deployer/providers"
)

// Caddy is the web server's configuration.
type Caddy struct {
	// Down: its admin does not answer.
	Down bool
	// Routes are ours, by service. Empty the map to model a Caddy that came back with
	// nothing, or somebody's `caddy reload`.
	Routes map[string]providers.Route
	// Foreign are other people's, by name, as they wrote them.
	Foreign map[string]string
	// Writes counts changes; each costs every client its idle connections.
	Writes int
}

// routes is providers.Routes.
type routes struct{ w *World }

var _ providers.Routes = routes{}

func (r routes) Observe(ctx context.Context, service string, want *providers.Route) (f providers.RouteFacts, err error) {
	err = r.w.run(ctx, look("routes.Observe", service), func() error {
		if err := r.down("reading the routes"); err != nil {
			return err
		}
		have, found := r.w.Caddy.Routes[service]
		f.Found = found
		switch {
		case want == nil && found:
			f.Differs = "there should be no route"
		case want == nil:
			f.Current = true
		case !found:
			f.Differs = "no route"
		case !equalRoutes(have, *want):
			f.Differs = "domains or path differ"
		default:
			f.Current = true
		}
		return nil
	})
	return f, err
}

func (r routes) Owned(ctx context.Context) (out []string, err error) {
	err = r.w.run(ctx, look("routes.Owned"), func() error {
		if err := r.down("reading the routes"); err != nil {
			return err
		}
		out = slices.Sorted(maps.Keys(r.w.Caddy.Routes))
		return nil
	})
	return out, err
}

func (r routes) Put(ctx context.Context, route providers.Route) error {
	return r.w.run(ctx, act("routes.Put", route.Service), func() error {
		if err := r.down("writing the route of " + route.Service); err != nil {
			return err
		}
		if have, found := r.w.Caddy.Routes[route.Service]; found && equalRoutes(have, route) {
			return nil
		}
		route.Domains = slices.Clone(route.Domains)
		r.w.Caddy.Routes[route.Service] = route
		r.w.Caddy.Writes++
		return nil
	})
}

func (r routes) Remove(ctx context.Context, service string) error {
	return r.w.run(ctx, act("routes.Remove", service), func() error {
		if err := r.down("removing the route of " + service); err != nil {
			return err
		}
		if _, found := r.w.Caddy.Routes[service]; found {
			delete(r.w.Caddy.Routes, service)
			r.w.Caddy.Writes++
		}
		return nil
	})
}

func (r routes) down(doing string) error {
	if !r.w.Caddy.Down {
		return nil
	}
	return &providers.Fault{
		Reason:  "CaddyUnreachable",
		Message: doing + ": Caddy's admin does not answer: systemctl status caddy",
		Err:     fmt.Errorf("%w: %w", providers.ErrUnavailable, errors.New("connection refused")),
	}
}

func equalRoutes(a, b providers.Route) bool {
	return a.Service == b.Service && a.Path == b.Path && slices.Equal(a.Domains, b.Domains)
}
