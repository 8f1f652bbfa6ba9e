package conformance

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

// routesPatience is how long a spec waits for what another process does.
const routesPatience = 10 * time.Second

// RoutesHost is a Caddy without routes of ours, and what can befall it.
type RoutesHost struct {
	Routes providers.Routes
	// Writes counts the changes of Caddy's configuration so far.
	Writes func() int
	// Forget makes Caddy lose our routes, as somebody's `caddy reload` does.
	Forget func()
	// Stop makes its admin API unreachable.
	Stop func()
}

// Routes registers the specs of providers.Routes. Call it inside a container; open gives
// a new host for each spec.
func Routes(open func() RoutesHost) {
	var host RoutesHost
	web := providers.Route{Service: "web", Domains: []string{"web.example.com", "www.example.com"}, Path: "/"}
	api := providers.Route{Service: "api", Domains: []string{"web.example.com"}, Path: "/api"}

	BeforeEach(func() { host = open() })

	It("says of a Caddy without our routes that there is none, without an error", func(ctx SpecContext) {
		facts := observeRoute(ctx, host.Routes, web)
		Expect(facts.Found).To(BeFalse())
		Expect(facts.Current).To(BeFalse())
		Expect(facts.Differs).NotTo(BeEmpty())
		Expect(host.Routes.Owned(ctx)).To(BeEmpty())
	})

	It("takes no route for current when none is wanted", func(ctx SpecContext) {
		Expect(host.Routes.Observe(ctx, "web", nil)).To(Equal(providers.RouteFacts{Current: true}))
	})

	It("writes a route, sees it at once, and does not write it again", func(ctx SpecContext) {
		Expect(host.Routes.Put(ctx, web)).To(Succeed())
		Expect(observeRoute(ctx, host.Routes, web)).To(Equal(providers.RouteFacts{Found: true, Current: true}))
		Expect(host.Routes.Owned(ctx)).To(Equal([]string{"web"}))
		writes := host.Writes()
		Expect(writes).To(BeNumerically(">", 0))
		Expect(host.Routes.Put(ctx, web)).To(Succeed())
		Expect(host.Writes()).To(Equal(writes))
	})

	It("says what differs, and changes the route in place", func(ctx SpecContext) {
		Expect(host.Routes.Put(ctx, web)).To(Succeed())
		moved := web
		moved.Domains = []string{"new.example.com"}
		facts := observeRoute(ctx, host.Routes, moved)
		Expect(facts.Found).To(BeTrue())
		Expect(facts.Current).To(BeFalse())
		Expect(facts.Differs).NotTo(BeEmpty())
		Expect(host.Routes.Put(ctx, moved)).To(Succeed())
		Expect(observeRoute(ctx, host.Routes, moved).Current).To(BeTrue())
		Expect(observeRoute(ctx, host.Routes, web).Current).To(BeFalse())
	})

	It("says that a route is there when none is wanted, and removes only that one", func(ctx SpecContext) {
		Expect(host.Routes.Put(ctx, web)).To(Succeed())
		Expect(host.Routes.Put(ctx, api)).To(Succeed())
		facts, err := host.Routes.Observe(ctx, "web", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Found).To(BeTrue())
		Expect(facts.Current).To(BeFalse())
		Expect(facts.Differs).NotTo(BeEmpty())
		Expect(host.Routes.Remove(ctx, "web")).To(Succeed())
		Expect(host.Routes.Owned(ctx)).To(Equal([]string{"api"}))
		Expect(host.Routes.Observe(ctx, "web", nil)).To(Equal(providers.RouteFacts{Current: true}))
	})

	It("takes removing what is absent for done, without a write", func(ctx SpecContext) {
		Expect(host.Routes.Put(ctx, web)).To(Succeed())
		writes := host.Writes()
		Expect(host.Routes.Remove(ctx, "none")).To(Succeed())
		Expect(host.Writes()).To(Equal(writes))
	})

	It("lists our services sorted", func(ctx SpecContext) {
		Expect(host.Routes.Put(ctx, web)).To(Succeed())
		Expect(host.Routes.Put(ctx, api)).To(Succeed())
		Expect(host.Routes.Owned(ctx)).To(Equal([]string{"api", "web"}))
	})

	It("loses nothing when many are written and removed at once", func(ctx SpecContext) {
		Expect(host.Routes.Put(ctx, web)).To(Succeed())
		var all sync.WaitGroup
		names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		for _, name := range names {
			all.Go(func() {
				defer GinkgoRecover()
				Expect(host.Routes.Put(ctx, providers.Route{Service: name, Domains: []string{name + ".example.com"}, Path: "/"})).To(Succeed())
			})
		}
		all.Go(func() {
			defer GinkgoRecover()
			Expect(host.Routes.Remove(ctx, "web")).To(Succeed())
		})
		all.Wait()
		Expect(host.Routes.Owned(ctx)).To(Equal(names))
	})

	It("sees that somebody dropped our routes, and puts them back", func(ctx SpecContext) {
		Expect(host.Routes.Put(ctx, web)).To(Succeed())
		host.Forget()
		Eventually(func() bool { return observeRoute(ctx, host.Routes, web).Found }).WithTimeout(routesPatience).Should(BeFalse())
		Expect(host.Routes.Put(ctx, web)).To(Succeed())
		Expect(observeRoute(ctx, host.Routes, web).Current).To(BeTrue())
	})

	It("says that the answer is unknown while Caddy is down, with a reason and a way out", func(ctx SpecContext) {
		Expect(host.Routes.Put(ctx, web)).To(Succeed())
		host.Stop()
		Eventually(func() error {
			_, err := host.Routes.Observe(ctx, "web", &web)
			return err
		}).WithTimeout(routesPatience).Should(HaveOccurred())
		_, observing := host.Routes.Observe(ctx, "web", &web)
		_, listing := host.Routes.Owned(ctx)
		for _, err := range []error{observing, listing, host.Routes.Put(ctx, api), host.Routes.Remove(ctx, "web")} {
			Expect(err).To(MatchError(providers.ErrUnavailable))
			Expect(err).NotTo(MatchError(providers.ErrNotFound))
			Expect(providers.ReasonOf(err)).To(Equal("CaddyUnreachable"))
			Expect(err).To(MatchError(ContainSubstring("systemctl status caddy")))
		}
	})
}

func observeRoute(ctx context.Context, r providers.Routes, want providers.Route) providers.RouteFacts {
	GinkgoHelper()
	facts, err := r.Observe(ctx, want.Service, &want)
	Expect(err).NotTo(HaveOccurred())
	return facts
}
