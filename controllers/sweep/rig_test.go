package sweep

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
	"deployer/reconcile"
)

// rig is a sweeper on the fake host. Services have no passes of their own here: what is
// removed, the sweep removed.
type rig struct {
	*fake.World
	s      *Sweeper
	wishes map[string]v1.Assignment
	doubt  error
	turns  []string
}

func newRig() *rig {
	g := &rig{World: fake.New(), wishes: map[string]v1.Assignment{}}
	g.AfterCall = g.assertInvariants
	g.restart()
	return g
}

// restart is a new daemon on the same host.
func (g *rig) restart() {
	g.s = New(Options{
		Host: g.Host(), HostName: "biz", Now: g.Clock.Now, Certain: func() error { return g.doubt },
		Desired: func(name string) v1.Assignment { return g.wishes[name] },
		Services: reconcile.Func(func(_ context.Context, name string) (reconcile.Result, error) {
			g.turns = append(g.turns, name)
			return reconcile.Result{}, nil
		}),
	})
}

func (g *rig) assertInvariants(call string) {
	if broken := fake.CheckInvariants(g.World); len(broken) > 0 {
		Fail(call + " broke an invariant:\n" + strings.Join(broken, "\n"))
	}
}

// quietly does something to the world that is no call of the sweep.
func (g *rig) quietly(do func(h providers.Host) error) {
	GinkgoHelper()
	before := g.AfterCall
	g.AfterCall, g.Quiet = nil, true
	defer func() { g.AfterCall, g.Quiet = before, false }()
	Expect(do(g.Host())).To(Succeed())
}

// look is one look at the host, and the turns of the names that it enqueues.
func (g *rig) look() error {
	g.BeginPass()
	due, err := g.s.Look(context.Background())
	for _, name := range due {
		g.turn(name)
	}
	return err
}

func (g *rig) turn(name string) {
	g.BeginPass()
	_, err := g.s.Reconcile(context.Background(), name)
	Expect(err).NotTo(HaveOccurred())
}

// settle looks until everything had its time.
func (g *rig) settle() {
	GinkgoHelper()
	for range 3 {
		Expect(g.look()).To(Succeed())
		g.Clock.Advance(DefaultTimes().Grace)
	}
}

// revision of the n-th release of a service, and its path and instance.
func revision(name string, n int) string { return release(name, n).Revision() }

func path(name string, n int) string {
	return fmt.Sprintf("/nix/store/%032d-%s", n, name)
}

func instance(name string, n int) v1.Instance {
	return v1.Instance{Revision: revision(name, n), Secrets: v1.NoSecrets}
}

// release has a port of its own, so that all may run at once.
func release(name string, n int) v1.Release {
	number := 50
	_, _ = fmt.Sscanf(name, "s%d", &number)
	return v1.Release{Service: name, StorePath: path(name, n), InternalPort: 8000 + 10*number + n}
}

func root(name string, n int) string { return v1.RootName(name, revision(name, n)) }

func (g *rig) assign(name string, n int) {
	a := v1.Assignment{Kind: v1.Assigned}
	if n > 0 {
		a.Release, a.Revision = release(name, n).Default(), revision(name, n)
	}
	g.wishes[name] = a
}

func (g *rig) dismiss(name string) { g.wishes[name] = v1.Assignment{Kind: v1.Dismissed} }

func (g *rig) root(name string, n int) {
	g.quietly(func(h providers.Host) error {
		return h.Closures.Root(context.Background(), root(name, n), path(name, n))
	})
}

func (g *rig) stage(name string, n int) {
	g.root(name, n)
	g.quietly(func(h providers.Host) error {
		return h.Releases.Stage(context.Background(), providers.StageRequest{Instance: instance(name, n), Release: release(name, n).Default()})
	})
}

// run brings a release up, as the service's own passes do, with its route.
func (g *rig) run(name string, n int) {
	g.stage(name, n)
	g.Publish(path(name, n))
	r := release(name, n).Default()
	ctx := context.Background()
	for _, do := range []func(h providers.Host) error{
		func(h providers.Host) error { return h.Closures.Pull(ctx, path(name, n)) },
		func(h providers.Host) error {
			return h.Releases.Point(ctx, name, v1.Primary, instance(name, n).String())
		},
		func(h providers.Host) error {
			return h.Units.Install(ctx, providers.UnitSpec{Service: name, Slot: v1.Primary, Release: &r})
		},
		func(h providers.Host) error { return h.Units.Start(ctx, name, v1.Primary) },
		func(h providers.Host) error { return h.Releases.Shift(ctx, name, r.InternalPort) },
		func(h providers.Host) error { return h.Routes.Put(ctx, providers.Route{Service: name, Path: "/"}) },
	} {
		g.quietly(do)
	}
}

// unstage deletes the files of a service by hand.
func (g *rig) unstage(name string) {
	g.quietly(func(h providers.Host) error { return h.Releases.Forget(context.Background(), name) })
}

func (g *rig) unroute(name string) {
	g.quietly(func(h providers.Host) error { return h.Routes.Remove(context.Background(), name) })
}

func (g *rig) stop(name string) { g.StopByHand(name, v1.Primary) }

func (g *rig) leave(l providers.Leftover) { g.Unfinished = append(g.Unfinished, l) }

// things is all that is on the host, by what it is called, with all that could change of it.
func (g *rig) things() map[string]string {
	out := map[string]string{}
	g.quietly(func(h providers.Host) error {
		for name, target := range g.Nix.RootLinks {
			out["root "+name] = target
		}
		for name, target := range g.Nix.ForeignRoots {
			out["foreign root "+name] = target
		}
		for name, r := range g.Caddy.Routes {
			out["route "+name] = fmt.Sprint(r)
		}
		for name, r := range g.Caddy.Foreign {
			out["foreign route "+name] = r
		}
		for _, l := range g.Unfinished {
			out["leftover "+l.Path] = fmt.Sprint(l)
		}
		return g.servicesOf(h, out)
	})
	return out
}

func (g *rig) servicesOf(h providers.Host, out map[string]string) error {
	for name := range maps.Keys(names()) {
		f, err := h.Releases.Observe(context.Background(), name)
		if err != nil {
			return err
		}
		for instance, staged := range f.Staged {
			out["release "+name+" "+instance] = fmt.Sprint(staged)
		}
		for slot, pointed := range f.Pointers {
			out["pointer "+name+" "+string(slot)] = pointed
		}
		if f.Upstream != "" {
			out["upstream "+name] = f.Upstream
		}
		for _, slot := range []v1.Slot{v1.Primary, v1.Standby} {
			if u := g.Unit(name, slot); u != nil {
				out["unit "+v1.UnitName(name, slot)] = fmt.Sprintf("%+v runs %q", *u, u.Running())
			}
		}
	}
	return nil
}

// names are those that the specs use.
func names() map[string]bool {
	out := map[string]bool{"web": true, "api": true, "web-standby": true}
	for i := range 40 {
		out[fmt.Sprintf("s%d", i)] = true
		out[fmt.Sprintf("s%d-standby", i)] = true
	}
	return out
}

// changes are the effects on the host; events are only the telling of them.
func (g *rig) changes() []string {
	var out []string
	for _, call := range g.Effects() {
		if !strings.HasPrefix(call, "states.") {
			out = append(out, call)
		}
	}
	return out
}

// events are the messages of what was told.
func (g *rig) events() []string {
	GinkgoHelper()
	all, err := g.Host().States.Events(context.Background(), "")
	Expect(err).NotTo(HaveOccurred())
	var out []string
	for _, e := range all {
		Expect(e.Reason).To(Equal("Swept"))
		out = append(out, e.Service+": "+e.Message)
	}
	return out
}

const minute = time.Minute
