package conformance

import (
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

// ClosuresHost is a host with Nix and a cache, and what can befall them.
type ClosuresHost struct {
	Closures providers.Closures
	// Publish puts a new closure into the cache, signed as the host wants it, and gives its
	// path. The local store does not have it.
	Publish func(name string) (storePath string)
	// Absent is the path of a closure that nobody published.
	Absent string
	// Collect runs the garbage collector.
	Collect func()
	// Delete deletes the files of a path; the Nix database goes on saying that it is valid.
	Delete func(storePath string)
	// Alter changes a file of a path that is valid and on disk.
	Alter func(storePath string)
	// Unpublish takes a closure out of the cache.
	Unpublish func(storePath string)
}

// Closures registers the specs of providers.Closures. Call it inside a container; open
// gives a host for each spec, which may be the same one.
func Closures(open func() ClosuresHost) {
	var host ClosuresHost
	var nix providers.Closures
	BeforeEach(func() {
		host = open()
		nix = host.Closures
	})
	AfterEach(func(ctx SpecContext) {
		roots, err := nix.Roots(ctx)
		Expect(err).NotTo(HaveOccurred())
		for name := range roots {
			Expect(nix.Unroot(ctx, name)).To(Succeed())
		}
	})

	It("knows nothing of a closure that is nowhere", func(ctx SpecContext) {
		Expect(lookAt(ctx, nix, host.Absent)).To(Equal(providers.ClosureFacts{}))
	})

	It("keeps a root of a closure that is yet to come through a collection, and then keeps the closure", func(ctx SpecContext) {
		web := host.Publish("web")
		Expect(nix.Root(ctx, "web-r1", web)).To(Succeed())
		Expect(nix.Roots(ctx)).To(Equal(map[string]string{"web-r1": web}))
		Expect(lookAt(ctx, nix, web)).To(Equal(providers.ClosureFacts{}))
		host.Collect()
		Expect(nix.RootTarget(ctx, "web-r1")).To(Equal(web))

		Expect(nix.Pull(ctx, web)).To(Succeed())
		expectUsable(ctx, nix, web)
		host.Collect()
		expectUsable(ctx, nix, web)
	})

	It("pulls again without harm, and tells the NAR hash in Nix's form", func(ctx SpecContext) {
		web := host.Publish("web")
		Expect(nix.Root(ctx, "web-r1", web)).To(Succeed())
		Expect(nix.Pull(ctx, web)).To(Succeed())
		first := lookAt(ctx, nix, web)
		Expect(first.NarHash).To(MatchRegexp(`^sha256:[0-9a-z]{52}$`))
		Expect(nix.Pull(ctx, web)).To(Succeed())
		Expect(lookAt(ctx, nix, web)).To(Equal(first))
	})

	It("says ClosureMissing of a closure that is in no cache, and registers nothing", func(ctx SpecContext) {
		err := nix.Pull(ctx, host.Absent)
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(providers.ReasonOf(err)).To(Equal("ClosureMissing"))
		Expect(err).To(MatchError(ContainSubstring(host.Absent)))
		Expect(lookAt(ctx, nix, host.Absent)).To(Equal(providers.ClosureFacts{}))
	})

	It("sees at once that an unrooted closure was collected, and gets it again", func(ctx SpecContext) {
		web := host.Publish("web")
		Expect(nix.Root(ctx, "web-r1", web)).To(Succeed())
		Expect(nix.Pull(ctx, web)).To(Succeed())
		Expect(nix.Unroot(ctx, "web-r1")).To(Succeed())
		host.Collect()
		Expect(lookAt(ctx, nix, web)).To(Equal(providers.ClosureFacts{}))
		Expect(nix.Root(ctx, "web-r1", web)).To(Succeed())
		Expect(nix.Pull(ctx, web)).To(Succeed())
		expectUsable(ctx, nix, web)
	})

	It("sees at once that a valid path is no longer on disk, and gets it again", func(ctx SpecContext) {
		web := host.Publish("web")
		Expect(nix.Root(ctx, "web-r1", web)).To(Succeed())
		Expect(nix.Pull(ctx, web)).To(Succeed())
		host.Delete(web)
		facts := lookAt(ctx, nix, web)
		Expect(facts.Valid).To(BeTrue())
		Expect(facts.OnDisk).To(BeFalse())
		Expect(nix.Pull(ctx, web)).To(Succeed())
		expectUsable(ctx, nix, web)
	})

	It("finds what was altered, which no other look does, and repairs it", func(ctx SpecContext) {
		web, api := host.Publish("web"), host.Publish("api")
		for name, p := range map[string]string{"web-r1": web, "api-r1": api} {
			Expect(nix.Root(ctx, name, p)).To(Succeed())
			Expect(nix.Pull(ctx, p)).To(Succeed())
		}
		verify := func(paths ...string) providers.Verified {
			GinkgoHelper()
			seen, err := nix.Verify(ctx, providers.VerifyRequest{StorePaths: paths})
			Expect(err).NotTo(HaveOccurred())
			return seen
		}
		good := verify(web, api, web, host.Absent)
		Expect(good.Paths).To(BeNumerically(">=", 2))
		Expect(good.Altered).To(BeEmpty())

		host.Alter(web)
		Expect(nix.Pull(ctx, web)).To(Succeed())
		expectUsable(ctx, nix, web)
		Expect(verify(web, api).Altered).To(HaveExactElements(And(HaveField("StorePath", web), HaveField("What", Not(BeEmpty())))))
		Expect(verify(api).Altered).To(BeEmpty())
		Expect(nix.Repair(ctx, web)).To(Succeed())
		Expect(verify(web, api)).To(Equal(good))

		host.Delete(web)
		Expect(verify(web).Altered).To(HaveExactElements(HaveField("StorePath", web)))
		Expect(nix.Repair(ctx, web)).To(Succeed())
		expectUsable(ctx, nix, web)
	})

	It("leaves what was altered as it is when no cache has it", func(ctx SpecContext) {
		web := host.Publish("web")
		Expect(nix.Root(ctx, "web-r1", web)).To(Succeed())
		Expect(nix.Pull(ctx, web)).To(Succeed())
		host.Alter(web)
		host.Unpublish(web)
		Expect(providers.ReasonOf(nix.Repair(ctx, web))).To(Equal("ClosureMissing"))
		expectUsable(ctx, nix, web)
	})

	It("observes many paths in one call", func(ctx SpecContext) {
		web, api := host.Publish("web"), host.Publish("api")
		Expect(nix.Root(ctx, "web-r1", web)).To(Succeed())
		Expect(nix.Pull(ctx, web)).To(Succeed())
		facts, err := nix.Observe(ctx, web, api, host.Absent)
		Expect(err).NotTo(HaveOccurred())
		Expect(facts).To(HaveLen(3))
		Expect(facts[web].Valid && facts[web].OnDisk).To(BeTrue())
		Expect(facts[api]).To(Equal(providers.ClosureFacts{}))
		Expect(facts[host.Absent]).To(Equal(providers.ClosureFacts{}))
		Expect(nix.Observe(ctx)).To(BeEmpty())
	})

	It("pulls several closures at once, and one closure twice at once", func(ctx SpecContext) {
		web, api := host.Publish("web"), host.Publish("api")
		Expect(nix.Root(ctx, "web-r1", web)).To(Succeed())
		Expect(nix.Root(ctx, "api-r1", api)).To(Succeed())
		var pulls sync.WaitGroup
		paths := []string{web, api, web}
		errs := make([]error, len(paths))
		for i, p := range paths {
			pulls.Go(func() { errs[i] = nix.Pull(ctx, p) })
		}
		pulls.Wait()
		Expect(errs).To(HaveEach(BeNil()))
		expectUsable(ctx, nix, web)
		expectUsable(ctx, nix, api)
	})

	It("points a root elsewhere, and removes only that one", func(ctx SpecContext) {
		web, api := host.Publish("web"), host.Publish("api")
		Expect(nix.Root(ctx, "web-r1", web)).To(Succeed())
		Expect(nix.Root(ctx, "api-r1", api)).To(Succeed())
		Expect(nix.Root(ctx, "web-r1", api)).To(Succeed())
		Expect(nix.RootTarget(ctx, "web-r1")).To(Equal(api))
		Expect(nix.Unroot(ctx, "web-r1")).To(Succeed())
		Expect(nix.Unroot(ctx, "web-r1")).To(Succeed())
		_, err := nix.RootTarget(ctx, "web-r1")
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(nix.Roots(ctx)).To(Equal(map[string]string{"api-r1": api}))
	})
}

func lookAt(ctx SpecContext, nix providers.Closures, storePath string) providers.ClosureFacts {
	GinkgoHelper()
	facts, err := nix.Observe(ctx, storePath)
	Expect(err).NotTo(HaveOccurred())
	Expect(facts).To(HaveKey(storePath))
	return facts[storePath]
}

func expectUsable(ctx SpecContext, nix providers.Closures, storePath string) {
	GinkgoHelper()
	facts := lookAt(ctx, nix, storePath)
	Expect(facts.Valid).To(BeTrue(), "the database knows %s", storePath)
	Expect(facts.OnDisk).To(BeTrue(), "%s is on disk", storePath)
}
