package fake

import (
	"context"
	"maps"
	"slices"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// keptDeployments of each service, as on a real host.
const keptDeployments = 50

// history is providers.History and providers.Holds.
type history struct{ w *World }

var (
	_ providers.History = history{}
	_ providers.Holds   = history{}
)

func (h history) SaveDeployment(ctx context.Context, d v1.Deployment) error {
	return h.w.run(ctx, act("states.SaveDeployment", d.Service), func() error {
		all := h.w.disk.deployments[d.Service]
		i := slices.IndexFunc(all, func(o v1.Deployment) bool { return o.Began.Equal(d.Began) })
		if i >= 0 {
			all[i] = d
			return nil
		}
		all = append([]v1.Deployment{d}, all...)
		slices.SortStableFunc(all, func(a, b v1.Deployment) int { return b.Began.Compare(a.Began) })
		h.w.disk.deployments[d.Service] = all[:min(len(all), keptDeployments)]
		return nil
	})
}

func (h history) Deployments(ctx context.Context, service string) (out []v1.Deployment, err error) {
	err = h.w.run(ctx, look("states.Deployments", service), func() error {
		for name, all := range h.w.disk.deployments {
			if service == "" || name == service {
				out = append(out, all...)
			}
		}
		slices.SortStableFunc(out, func(a, b v1.Deployment) int { return b.Began.Compare(a.Began) })
		return nil
	})
	return out, err
}

func (h history) Holds(ctx context.Context) (out map[string]v1.Hold, err error) {
	err = h.w.run(ctx, look("states.Holds"), func() error {
		out = maps.Clone(h.w.disk.holds)
		return nil
	})
	return out, err
}

func (h history) SaveHold(ctx context.Context, service string, hold *v1.Hold) error {
	return h.w.run(ctx, act("states.SaveHold", service), func() error {
		if hold == nil {
			delete(h.w.disk.holds, service)
			return nil
		}
		h.w.disk.holds[service] = *hold
		return nil
	})
}
