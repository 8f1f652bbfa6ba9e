package service

import (
	"errors"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// errWorld is a fault of the world: nobody knows what it did.
var errWorld = errors.New("connection reset")

// The observations without which nothing may be changed, those that stop only what
// depends on them, and the effects.
func strictObservations() []string {
	return []string{"releases.Observe", "units.Observe", "closures.RootTarget", "closures.Observe", "closures.Roots"}
}

func lenientObservations() []string {
	return []string{"routes.Observe", "secrets.Read", "prober.Probe", "prober.Holder", "ports.Connections", "units.Journal"}
}

func effects() []string {
	return []string{
		"closures.Root", "closures.Pull", "closures.Unroot", "units.Install", "units.Start", "units.Stop",
		"units.Remove", "releases.Stage", "releases.Reserve", "releases.Point", "releases.Shift", "releases.Judge", "releases.Discard",
		"releases.Tidy", "releases.Forget", "routes.Put", "routes.Remove", "states.Record", "states.SaveDeployment", "ports.Free",
	}
}

// removes are the calls that no pass may make after a failed observation.
func removes(call string) bool {
	return slices.ContainsFunc([]string{
		"closures.Unroot", "units.Stop", "units.Remove", "releases.Discard", "releases.Tidy", "releases.Forget", "routes.Remove",
	}, func(method string) bool { return strings.HasPrefix(call, method) })
}

var _ = Describe("the world's faults", func() {
	for _, c := range scenarios() {
		want := sync.OnceValue(c.end)

		for _, method := range slices.Concat(strictObservations(), lenientObservations(), effects()) {
			It("stop nothing that runs in "+c.name+" while "+method+" fails, and it converges when healed", func() {
				g := c.begin()
				g.Fail(method, errWorld)
				after := g.AfterCall
				g.AfterCall = func(call string) {
					after(call)
					if c.served {
						Expect(g.anyRuns("web")).To(BeTrue(), "after "+call)
					}
				}
				_ = g.drive("web", 30*second)
				g.AfterCall = after
				g.Heal("")
				g.settle("web")
				Expect(g.picture("web")).To(Equal(want()))
			})
		}

		for _, method := range strictObservations() {
			It("change nothing in "+c.name+" while "+method+" fails", func() {
				g := c.begin()
				g.Fail(method, errWorld)
				_, err := g.pass("web")
				if slices.Contains(methods(g.Calls()), method) {
					Expect(err).To(MatchError(errWorld))
					Expect(g.changes()).To(BeEmpty())
					Expect(g.state("web").Sync).To(Equal(v1.SyncUnknown))
					Expect(g.condition("web", v1.Ready).Status).To(Equal(v1.Unknown))
				}
			})
		}

		for _, method := range lenientObservations() {
			It("remove nothing in a pass of "+c.name+" in which "+method+" fails", func() {
				g := c.begin()
				g.Fail(method, errWorld)
				_, _ = g.pass("web")
				if slices.Contains(methods(g.Calls()), method) {
					Expect(slices.ContainsFunc(g.changes(), removes)).To(BeFalse(), strings.Join(g.changes(), "\n"))
				}
			})
		}

		for _, method := range effects() {
			It("do no harm in "+c.name+" when the answer of "+method+" is lost", func() {
				g := c.begin()
				g.LoseAnswer(method, errWorld)
				_ = g.drive("web", 30*second)
				g.Heal("")
				g.settle("web")
				Expect(g.picture("web")).To(Equal(want()))
			})
		}
	}

	It("never count against a release", func() {
		for _, method := range slices.Concat(strictObservations(), lenientObservations(), effects()) {
			g := newRig()
			g.write(g.web("web", "v1", 8080))
			g.Fail(method, errWorld)
			_ = g.drive("web", 120*second)
			Expect(g.state("web").State).NotTo(Equal(v1.Stalled), method+" failed: "+g.state("web").Message)
			Expect(g.state("web").Health).NotTo(Equal(v1.Failed), method+" failed: "+g.state("web").Message)
		}
	})

	It("of one service do not concern another", func() {
		g := newRig()
		other := g.web("other", "o1", 8081)
		g.write(g.web("web", "v1", 8080), other)
		g.Fail("units.Start web", errWorld)
		_ = g.drive("web", 10*second)
		g.settle("other")
		g.expectServing("other", other)
	})

	It("are told with the reason, once, however often it is tried", func() {
		g := newRig()
		g.write(g.web("web", "v1", 8080))
		g.Fail("closures.Pull", &providers.Fault{Reason: "StoreUnreachable", Message: "dial tcp: refused", Err: providers.ErrUnavailable})
		_ = g.drive("web", 20*second)
		Expect(g.events("web")).To(Equal([]string{"Rolling", "Rooting", "Pulling", "StoreUnreachable"}))
		g.reports = 0
		_ = g.drive("web", 20*second)
		Expect(g.reports).To(BeZero(), "nothing new to report")
		Expect(g.events("web")).To(HaveLen(4))
	})
})
