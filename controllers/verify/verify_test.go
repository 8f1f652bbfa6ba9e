package verify

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
)

func TestVerify(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "controllers/verify")
}

var _ = Describe("verifying what is in force", func() {
	const web, api = "/nix/store/00000000000000000000000000000000-web", "/nix/store/00000000000000000000000000000000-api"
	var w *fake.World
	var o Options
	var told v1.Condition
	var events []v1.Event
	BeforeEach(func(ctx SpecContext) {
		w, told, events = fake.New(), v1.Condition{}, nil
		w.Publish(web, api)
		for name, path := range map[string]string{"web-1": web, "api-1": api} {
			Expect(w.Host().Closures.Root(ctx, name, path)).To(Succeed())
			Expect(w.Host().Closures.Pull(ctx, path)).To(Succeed())
		}
		o = Options{
			Closures: w.Host().Closures, Now: w.Clock.Now, Times: DefaultTimes(),
			InForce: func() []string { return []string{web, api, web} },
			Tell:    func(c v1.Condition) { told = c },
			Record:  func(_ context.Context, e v1.Event) { events = append(events, e) },
		}
	})

	It("says how much it saw when all is well, and tells nobody else", func(ctx SpecContext) {
		Expect(New(o).Look(ctx)).To(BeTrue())
		Expect(told).To(And(HaveField("Status", v1.True), HaveField("Reason", Verified), HaveField("Message", "2 store paths are as they were registered")))
		Expect(events).To(BeEmpty())
	})

	It("repairs what was altered, and says so once", func(ctx SpecContext) {
		w.Nix.Altered[web] = true
		Expect(New(o).Look(ctx)).To(BeTrue())
		Expect(told).To(And(HaveField("Status", v1.True), HaveField("Reason", Repaired),
			HaveField("Message", HavePrefix("store path "+web+" was altered on this host: repaired from the cache"))))
		Expect(events).To(HaveExactElements(And(HaveField("Reason", Repaired), HaveField("Message", ContainSubstring(web)))))
		Expect(New(o).Look(ctx)).To(BeTrue())
		Expect(told.Reason).To(Equal(Verified))
		Expect(events).To(HaveLen(1))
	})

	It("says why something could not be repaired, and repairs the rest", func(ctx SpecContext) {
		w.Nix.Altered[web], w.Nix.Altered[api] = true, true
		delete(w.Nix.Cache, web)
		Expect(New(o).Look(ctx)).To(BeFalse())
		Expect(told).To(And(HaveField("Status", v1.False), HaveField("Reason", Altered),
			HaveField("Message", MatchRegexp("^store path "+web+" was altered on this host .* and could not be repaired: .*push it"))))
		Expect(w.Nix.Altered).To(Equal(map[string]bool{web: true}))
		w.Publish(web)
		Expect(New(o).Look(ctx)).To(BeTrue())
	})

	It("touches nothing on a doubt, and claims nothing", func(ctx SpecContext) {
		w.Nix.Altered[web] = true
		w.Fail("closures.Verify", providers.ErrUnavailable)
		Expect(New(o).Look(ctx)).To(BeFalse())
		Expect(told).To(And(HaveField("Status", v1.Unknown), HaveField("Reason", Unread)))
		Expect(w.Nix.Altered).To(HaveKey(web))
		Expect(events).To(BeEmpty())
	})

	It("says nothing when it was stopped", func(ctx SpecContext) {
		stopped, stop := context.WithCancel(ctx)
		stop()
		Expect(New(o).Look(stopped)).To(BeFalse())
		Expect(told).To(Equal(v1.Condition{}))
	})

	It("comes back after a while, sooner when something is left, and never when it is off", func(ctx SpecContext) {
		looks := make(chan v1.Condition)
		o.Tell = func(c v1.Condition) { looks <- c }
		o.Times = Times{Every: time.Millisecond, After: time.Hour, Retry: time.Hour}
		running, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() { defer close(ended); New(o).Run(running) }()
		Eventually(ctx, looks).Should(Receive())
		Eventually(ctx, looks).Should(Receive())
		stop()
		go func() {
			for range looks { // what is still told is of no interest
			}
		}()
		Eventually(ctx, ended).Should(BeClosed())
		close(looks)
		o.Times.Every = 0
		New(o).Run(ctx)
	})
})

var _ = It("takes what is wanted and what serves meanwhile, each once", func() {
	Expect(InForce(v1.HostState{Services: []v1.ServiceState{
		{Desired: v1.Target{StorePath: "b"}, Serving: v1.Target{StorePath: "a"}},
		{Desired: v1.Target{StorePath: "a"}, Serving: v1.Target{StorePath: "a"}},
		{},
	}})).To(Equal([]string{"a", "b"}))
})
