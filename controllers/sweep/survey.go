package sweep

import (
	"context"
	"fmt"
	"maps"
	"slices"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// hostwide is what we own on the host, by service.
type hostwide struct {
	roots     map[string][]string
	units     map[string][]v1.Slot
	routes    map[string]bool
	files     map[string]bool
	leftovers map[string][]leftover
}

// leftover knows who can clear it.
type leftover struct {
	providers.Leftover
	clear func(context.Context, providers.Leftover) error
}

// survey lists everything that carries our marks. What does not is not seen here at all,
// and so never touched.
func (s *Sweeper) survey(ctx context.Context) (*hostwide, error) {
	h := &hostwide{
		roots: map[string][]string{}, units: map[string][]v1.Slot{}, routes: map[string]bool{},
		files: map[string]bool{}, leftovers: map[string][]leftover{},
	}
	for _, list := range []func(context.Context, providers.Host) error{h.listRoots, h.listUnits, h.listRoutes, h.listFiles, h.listLeftovers} {
		if err := list(ctx, s.o.Host); err != nil {
			return nil, fmt.Errorf("looking for what nobody wants: %w", err)
		}
	}
	return h, nil
}

func (h *hostwide) listRoots(ctx context.Context, host providers.Host) error {
	roots, err := host.Closures.Roots(ctx)
	for _, name := range slices.Sorted(maps.Keys(roots)) {
		if service, _, ours := v1.ParseRootName(name); ours {
			h.roots[service] = append(h.roots[service], name)
		}
	}
	return err
}

func (h *hostwide) listUnits(ctx context.Context, host providers.Host) error {
	units, err := host.Units.Owned(ctx)
	for _, u := range units {
		h.units[u.Service] = append(h.units[u.Service], u.Slot)
	}
	return err
}

func (h *hostwide) listRoutes(ctx context.Context, host providers.Host) error {
	routes, err := host.Routes.Owned(ctx)
	for _, service := range routes {
		h.routes[service] = true
	}
	return err
}

func (h *hostwide) listFiles(ctx context.Context, host providers.Host) error {
	services, err := host.Releases.Services(ctx)
	for _, service := range services {
		h.files[service] = true
	}
	return err
}

func (h *hostwide) listLeftovers(ctx context.Context, host providers.Host) error {
	for _, of := range host.Leftovers {
		list, err := of.Leftovers(ctx)
		if err != nil {
			return err
		}
		for _, l := range list {
			h.leftovers[l.Service] = append(h.leftovers[l.Service], leftover{l, of.Clear})
		}
	}
	return nil
}

// names are all services of which something was found, in order. A directory or a route
// with a name that no service can have is somebody's, wherever it lies.
func (h *hostwide) names() []string {
	all := map[string]bool{}
	for service := range h.roots {
		all[service] = true
	}
	for service := range h.units {
		all[service] = true
	}
	for service := range h.leftovers {
		all[service] = true
	}
	maps.Copy(all, h.routes)
	maps.Copy(all, h.files)
	maps.DeleteFunc(all, func(name string, _ bool) bool { return !v1.IsServiceName(name) })
	return slices.Sorted(maps.Keys(all))
}

// facts is all that is known of one name.
type facts struct {
	name       string
	host       providers.Host
	assignment v1.Assignment
	roots      []string
	slots      []v1.Slot
	route      bool
	files      bool
	leftovers  []leftover
	releases   providers.ReleaseFacts
	units      []providers.UnitFacts
}

// look observes what the survey does not tell: what is staged and pointed to, and what runs.
func (s *Sweeper) look(ctx context.Context, h *hostwide, name string) (*facts, error) {
	f := &facts{
		name: name, host: s.o.Host, assignment: s.o.Desired(name), roots: h.roots[name], slots: h.units[name],
		route: h.routes[name], files: h.files[name], leftovers: h.leftovers[name],
	}
	var err error
	if f.releases, err = s.o.Host.Releases.Observe(ctx, name); err != nil {
		return nil, fmt.Errorf("observing releases: %w", err)
	}
	// Both slots, also where no file of a unit is left: its process may run on.
	for _, slot := range []v1.Slot{v1.Primary, v1.Standby} {
		u, err := s.o.Host.Units.Observe(ctx, providers.UnitSpec{Service: name, Slot: slot})
		if err != nil {
			return nil, fmt.Errorf("observing unit %s: %w", v1.UnitName(name, slot), err)
		}
		f.units = append(f.units, u)
	}
	return f, nil
}

// wish is what the manifest wants of the name, as far as it matters here.
func (f *facts) wish() string { return string(f.assignment.Kind) + " " + f.assignment.Revision }
