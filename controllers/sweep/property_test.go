package sweep

import (
	"fmt"
	"math/rand/v2"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// story puts something of a service on the host, and gives what of it is junk, by the
// names that rig.things uses. All else is to stay as it is.
type story struct {
	title string
	tell  func(g *rig, name string) (junk []string)
}

func temp(name string) providers.Leftover {
	return providers.Leftover{Service: name, Path: "/var/lib/biz-deployer/upstreams/.tmp-" + name}
}

func damaged(name string, n int) providers.Leftover {
	i := instance(name, n).String()
	return providers.Leftover{Service: name, Path: "/var/lib/biz-deployer/releases/" + name + "/" + i, Instance: i}
}

func leftoverKey(l providers.Leftover) string { return "leftover " + l.Path }

// stories are the states in which a service can be on a host.
func stories() []story {
	return []story{
		{"it runs as wanted, with two older releases", func(g *rig, name string) []string {
			g.stage(name, 1)
			g.stage(name, 2)
			g.run(name, 3)
			g.assign(name, 3)
			return nil
		}},
		{"its next release is rooted and being pulled, and the one before that never came", func(g *rig, name string) []string {
			g.run(name, 1)
			g.root(name, 2)
			g.root(name, 3)
			g.assign(name, 3)
			return []string{"root " + root(name, 2)}
		}},
		{"it is wanted and nothing is there but a root for each release that was", func(g *rig, name string) []string {
			g.root(name, 1)
			g.root(name, 2)
			g.assign(name, 2)
			return []string{"root " + root(name, 1)}
		}},
		{"it has no release in the manifest any more, and runs", func(g *rig, name string) []string {
			g.run(name, 1)
			g.root(name, 2)
			g.assign(name, 0)
			return []string{"root " + root(name, 2)}
		}},
		{"it runs what its pointer does not name any more", func(g *rig, name string) []string {
			g.run(name, 1)
			g.unstage(name)
			g.stage(name, 2)
			g.assign(name, 2)
			return nil
		}},
		{"crashes left something of it", func(g *rig, name string) []string {
			g.run(name, 1)
			g.assign(name, 3)
			g.leave(temp(name))
			g.leave(damaged(name, 2))
			g.leave(damaged(name, 3)) // about to be staged again
			return []string{leftoverKey(temp(name)), leftoverKey(damaged(name, 2))}
		}},
		{"it runs unlisted", func(g *rig, name string) []string {
			g.run(name, 1)
			g.root(name, 2)
			g.leave(temp(name))
			return nil
		}},
		{"it is stopped and unlisted", func(g *rig, name string) []string {
			g.run(name, 1)
			g.stop(name)
			return nil
		}},
		{"it is unlisted, and only a release directory is left", func(g *rig, name string) []string {
			g.stage(name, 1)
			return nil
		}},
		{"it is unlisted, and a route and its upstream file are left", func(g *rig, name string) []string {
			g.run(name, 1)
			g.stop(name)
			g.unstage(name)
			g.SetUpstream(name, "127.0.0.1:8001")
			return nil
		}},
		{"it is gone, and its roots are left", func(g *rig, name string) []string {
			g.root(name, 1)
			g.root(name, 2)
			return []string{"root " + root(name, 1), "root " + root(name, 2)}
		}},
		{"it is gone, and a stopped unit, its root and an upstream file are left", func(g *rig, name string) []string {
			g.run(name, 1)
			g.stop(name)
			g.unstage(name)
			g.unroute(name)
			g.SetUpstream(name, "127.0.0.1:8001")
			g.leave(damaged(name, 1))
			return []string{
				"unit " + name + ".service", "root " + root(name, 1), "upstream " + name, leftoverKey(damaged(name, 1)),
			}
		}},
		{"it is gone, and its process runs on", func(g *rig, name string) []string {
			g.run(name, 1)
			g.unstage(name)
			g.unroute(name)
			return nil
		}},
		{"it is being taken down", func(g *rig, name string) []string {
			g.run(name, 1)
			g.root(name, 2)
			g.leave(temp(name))
			g.dismiss(name)
			return nil
		}},
		{"it was taken down, and its route is back, with something from a crash", func(g *rig, name string) []string {
			g.run(name, 1)
			g.stop(name)
			g.RemoveUnitByHand(name, "primary")
			g.unstage(name)
			g.Nix.RootLinks = without(g.Nix.RootLinks, root(name, 1))
			g.leave(temp(name))
			g.dismiss(name)
			return []string{"route " + name, leftoverKey(temp(name))}
		}},
		{"things lie about that have no service's name", func(g *rig, name string) []string {
			long := name + strings.Repeat("-x", 20)
			g.SetUpstream(long, "127.0.0.1:8001")
			g.SetUpstream(name+"-standby", "127.0.0.1:8001")
			g.Caddy.Routes[strings.ToUpper(name)] = providers.Route{Service: strings.ToUpper(name)}
			g.root(name, 1)
			return []string{"root " + root(name, 1)}
		}},
		{"a foreign unit has its name, and a foreign root almost", func(g *rig, name string) []string {
			g.AddForeignUnit(name)
			g.Nix.RootLinks[name+"-backup"] = path(name, 1)
			g.Nix.RootLinks[strings.ToUpper(name)+"-1abcdefghijk"] = path(name, 1)
			g.Nix.ForeignRoots["result-"+name] = path(name, 1)
			g.Caddy.Foreign[name] = "{\"@id\": \"" + name + "\"}"
			return nil
		}},
	}
}

func without(m map[string]string, key string) map[string]string {
	delete(m, key)
	return m
}

var _ = Describe("every mixture of services", func() {
	for _, s := range stories() {
		It("is swept when "+s.title, func() {
			g := newRig()
			check(g, s.tell(g, "web"), nil)
		})
	}

	It("is swept of junk, of nothing else, and of nothing while an observation fails", func() {
		for seed := range uint64(60) {
			random := rand.New(rand.NewPCG(seed, 0))
			By(fmt.Sprintf("seed %d", seed))
			g := newRig()
			var junk []string
			all := stories()
			for i := range 4 + random.IntN(20) {
				junk = append(junk, all[random.IntN(len(all))].tell(g, fmt.Sprintf("s%d", i))...)
			}
			check(g, junk, random)
		}
	})
})

// check sweeps a host, through looks that fail if there is a random, and expects that
// exactly the junk went, and that no call was about anything else.
func check(g *rig, junk []string, random *rand.Rand) {
	GinkgoHelper()
	stays := g.things()
	for _, key := range junk {
		Expect(stays).To(HaveKey(key), "the story put it there")
		delete(stays, key)
	}
	g.AfterCall = func(call string) {
		g.assertInvariants(call)
		for _, key := range touched(call) {
			if _, wanted := stays[key]; wanted {
				Fail(call + " touched " + key)
			}
		}
	}
	if random != nil {
		disturb(g, random)
	}
	g.settle()
	g.AfterCall = nil
	Expect(g.things()).To(Equal(stays))
}

// touched are the things that an effect is about. One that the sweep has no business to
// cause is about everything.
func touched(call string) []string {
	words := append(strings.Fields(call), "", "")
	name := words[1]
	switch words[0] {
	case "closures.Unroot":
		return []string{"root " + name}
	case "units.Remove":
		return []string{"unit " + v1.UnitName(name, v1.Slot(words[2]))}
	case "routes.Remove":
		return []string{"route " + name}
	case "releases.Forget":
		return []string{"upstream " + name, "pointer " + name + " primary", "release " + name + " " + instance(name, 1).String()}
	case "leftovers.Clear":
		return []string{"leftover " + words[2]}
	case "closures.Roots", "units.Owned", "routes.Owned", "releases.Services", "leftovers.Leftovers", "releases.Observe", "units.Observe", "states.Record":
		return nil
	}
	Fail("the sweep called " + call)
	return nil
}

// disturb makes looks in which something fails: none of them may remove anything that the
// failure could have hidden, and in the end none of them may matter.
func disturb(g *rig, random *rand.Rand) {
	methods := []string{"closures.Roots", "units.Owned", "routes.Owned", "releases.Services", "leftovers.Leftovers", "releases.Observe", "units.Observe"}
	for range 4 {
		switch method := methods[random.IntN(len(methods))]; random.IntN(3) {
		case 0:
			g.Fail(method, errWorld)
			before := len(g.changes())
			_ = g.look()
			Expect(g.changes()).To(HaveLen(before), "%s failed", method)
			g.Heal("")
		case 1:
			// Fails in the middle of a look, or in a turn.
			g.FailNext(method, errWorld)
			_ = g.look()
			g.Heal("")
		case 2:
			g.Caddy.Down = true
			before := len(g.changes())
			Expect(g.look()).NotTo(Succeed())
			Expect(g.changes()).To(HaveLen(before))
			g.Caddy.Down = false
		}
		g.Clock.Advance(minute * 7)
	}
}
