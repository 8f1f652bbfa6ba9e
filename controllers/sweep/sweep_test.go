package sweep

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

var errWorld = errors.New("connection reset")

var _ = Describe("the sweep", func() {
	It("removes the root of a service that is gone, after ten minutes and not before", func() {
		g := newRig()
		g.root("web", 1)
		Expect(g.look()).To(Succeed())
		g.Clock.Advance(10*minute - time.Second)
		Expect(g.look()).To(Succeed())
		Expect(g.changes()).To(BeEmpty())
		g.Clock.Advance(time.Second)
		Expect(g.look()).To(Succeed())
		Expect(g.Nix.RootLinks).To(BeEmpty())
		Expect(g.events()).To(ConsistOf("web: removed the root " + root("web", 1) +
			": the manifest does not mention the service, and nothing of it is here that could run"))
		Expect(g.look()).To(Succeed())
		Expect(g.events()).To(HaveLen(1))
	})

	It("takes the turn of the name, and the service's own pass comes after it", func() {
		g := newRig()
		g.root("web", 1)
		Expect(g.look()).To(Succeed())
		g.Clock.Advance(10 * minute)
		g.BeginPass()
		due, err := g.s.Look(context.Background())
		Expect(err).NotTo(HaveOccurred())
		Expect(due).To(Equal([]string{"web"}))
		Expect(g.changes()).To(BeEmpty(), "a look changes nothing")
		g.turn("api")
		Expect(g.changes()).To(BeEmpty(), "it was not the turn of web")
		g.turn("web")
		Expect(g.changes()).To(HaveLen(1))
		Expect(g.turns).To(Equal([]string{"api", "web"}))
	})

	It("frees the root of a release that was wanted once and never came, beside one that runs", func() {
		g := newRig()
		g.assign("web", 3)
		g.run("web", 1)
		g.stage("web", 2)
		g.root("web", 3)
		g.root("web", 4)
		g.settle()
		Expect(g.changes()).To(Equal([]string{"closures.Unroot " + root("web", 4)}))
	})

	It("never touches a service that the manifest does not mention and that is there, running or not", func() {
		for _, running := range []bool{true, false} {
			g := newRig()
			g.run("web", 1)
			g.root("web", 2)
			g.leave(providers.Leftover{Service: "web", Path: "/var/lib/biz-deployer/upstreams/.tmp-web"})
			if !running {
				g.stop("web")
			}
			before := g.things()
			g.settle()
			Expect(g.things()).To(Equal(before))
		}
	})

	It("never takes a root from a process whose unit's files and release directory are gone", func() {
		g := newRig()
		g.run("web", 1)
		g.unstage("web")
		g.unroute("web")
		before := g.things()
		g.settle()
		Expect(g.things()).To(Equal(before))
		g.stop("web")
		g.settle()
		Expect(g.things()).To(BeEmpty())
	})

	It("leaves a removal to the service's own pass, and takes what that does not see", func() {
		g := newRig()
		g.dismiss("web")
		g.run("web", 1)
		g.leave(providers.Leftover{Service: "web", Path: "/var/lib/biz-deployer/upstreams/.tmp-web"})
		before := g.things()
		g.settle()
		Expect(g.things()).To(Equal(before))

		g.stop("web")
		g.quietly(func(h providers.Host) error { return h.Units.Remove(context.Background(), "web", v1.Primary) })
		g.quietly(func(h providers.Host) error { return h.Closures.Unroot(context.Background(), root("web", 1)) })
		g.unstage("web")
		g.settle()
		Expect(g.things()).To(BeEmpty())
		Expect(g.events()).To(ConsistOf(ContainSubstring("route biz-deployer/web"), ContainSubstring("leftover /var/lib")))
	})

	It("does nothing while the manifest is not certain, and waits anew for nothing", func() {
		g := newRig()
		g.root("web", 1)
		Expect(g.look()).To(Succeed())
		g.Clock.Advance(10 * minute)
		g.doubt = errors.New("the store does not answer")
		Expect(g.look()).To(MatchError(g.doubt))
		Expect(g.changes()).To(BeEmpty())

		By("also when it gets uncertain between the look and the turn")
		g.doubt = nil
		_, err := g.s.Look(context.Background())
		Expect(err).NotTo(HaveOccurred())
		g.doubt = errors.New("the store does not answer")
		g.turn("web")
		Expect(g.changes()).To(BeEmpty())
		g.doubt = nil
		Expect(g.look()).To(Succeed())
		Expect(g.changes()).To(HaveLen(1))
	})

	It("does nothing in a look in which any observation fails", func() {
		for _, method := range observations() {
			for _, inTurn := range []bool{false, true} {
				g := newRig()
				g.root("web", 1)
				g.assign("api", 2)
				g.run("api", 1)
				Expect(g.look()).To(Succeed())
				g.Clock.Advance(10 * minute)
				if inTurn {
					_, err := g.s.Look(context.Background())
					Expect(err).NotTo(HaveOccurred())
				}
				g.Fail(method, errWorld)
				if inTurn {
					g.turn("web")
					Expect(g.turns).To(Equal([]string{"web"}), "the service has its pass all the same")
				} else {
					Expect(g.look()).To(MatchError(errWorld), method)
				}
				Expect(g.changes()).To(BeEmpty(), method)
				g.Heal("")
				Expect(g.look()).To(Succeed())
				Expect(g.changes()).To(HaveLen(1), method)
			}
		}
	})

	It("does not remove what is wanted again in the meantime", func() {
		g := newRig()
		g.root("web", 1)
		Expect(g.look()).To(Succeed())
		g.Clock.Advance(10 * minute)
		_, err := g.s.Look(context.Background())
		Expect(err).NotTo(HaveOccurred())
		g.assign("web", 1)
		g.turn("web")
		Expect(g.changes()).To(BeEmpty())

		By("and counts anew when it is unwanted for another wish")
		g.assign("web", 2)
		for range 2 {
			Expect(g.look()).To(Succeed())
		}
		Expect(g.changes()).To(BeEmpty())
		g.Clock.Advance(10 * minute)
		Expect(g.look()).To(Succeed())
		Expect(g.changes()).To(Equal([]string{"closures.Unroot " + root("web", 1)}))
	})

	It("counts anew when the wish changes between the look and the turn", func() {
		g := newRig()
		g.assign("web", 1)
		g.root("web", 3)
		Expect(g.look()).To(Succeed())
		g.Clock.Advance(10 * minute)
		_, err := g.s.Look(context.Background())
		Expect(err).NotTo(HaveOccurred())
		g.assign("web", 2)
		g.turn("web")
		Expect(g.changes()).To(BeEmpty())
	})

	It("waits anew after a restart of the daemon", func() {
		g := newRig()
		g.root("web", 1)
		Expect(g.look()).To(Succeed())
		g.Clock.Advance(60 * minute)
		g.restart()
		Expect(g.look()).To(Succeed())
		Expect(g.changes()).To(BeEmpty())
	})

	It("tries again what could not be removed, and goes on with the others", func() {
		g := newRig()
		g.root("api", 1)
		g.root("web", 1)
		g.Fail("closures.Unroot "+root("api", 1), errWorld)
		g.settle()
		Expect(g.Nix.RootLinks).To(HaveLen(1))
		g.Heal("")
		g.settle()
		Expect(g.Nix.RootLinks).To(BeEmpty())
	})

	It("looks five minutes after the start, then every hour, and sooner while something waits", func() {
		g := newRig()
		Expect(DefaultTimes()).To(Equal(Times{After: 5 * minute, Every: time.Hour, Grace: 10 * minute}))
		g.s.o.Times = Times{After: time.Millisecond, Every: time.Hour, Grace: time.Millisecond}
		g.s.o.Now = time.Now
		g.root("web", 1)
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		names := make(chan string, 1)
		done := make(chan error, 1)
		go func() { done <- g.s.Run(ctx, queue(names)) }()
		Eventually(names).WithTimeout(5 * time.Second).Should(Receive(Equal("web")))
		stop()
		Eventually(done).Should(Receive(BeNil()))
	})
})

// queue gives the names on, those that nobody takes are dropped.
type queue chan string

func (q queue) Enqueue(name string) {
	select {
	case q <- name:
	default:
	}
}

func (q queue) EnqueueAfter(name string, _ time.Duration) { q.Enqueue(name) }

func observations() []string {
	return []string{
		"closures.Roots", "units.Owned", "routes.Owned", "releases.Services", "leftovers.Leftovers",
		"releases.Observe web", "units.Observe web primary", "units.Observe web standby",
	}
}
