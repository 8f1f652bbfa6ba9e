package controllers_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers"
	"deployer/controllers/manifest"
	"deployer/controllers/sweep"
	"deployer/providers"
	"deployer/providers/fake"
)

// path is the store path of a release of web.
func path(n int) string { return fmt.Sprintf("/nix/store/%032d-web", n) }

func web(n int) v1.Service {
	return v1.Service{
		Name: "web", Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: path(n)},
		Env:  map[string]string{"PORT": "8080"},
		HTTP: &v1.HTTP{Domain: "web.example.com", InternalPort: 8080},
		// Once makes its passes by the real clock, which the host's does not follow.
		Deploy: v1.Deploy{Strategy: v1.StrategyReplace},
	}
}

var _ = Describe("passes and the sweep together", func() {
	var (
		w          *fake.World
		repository *manifest.Repository
		set        *controllers.Set
	)
	by := manifest.EditOptions{By: "ann@laptop"}
	ctx := context.Background()
	edit := func(change func(*v1.Manifest) error) {
		GinkgoHelper()
		_, err := repository.Edit(ctx, by, change)
		Expect(err).NotTo(HaveOccurred())
		_, err = set.Source.Sync(ctx)
		Expect(err).NotTo(HaveOccurred())
	}
	// turn is what the engine does when it is the turn of web.
	turn := func() {
		w.BeginPass()
		result, err := set.Sweeper.Reconcile(ctx, "web")
		Expect(err).NotTo(HaveOccurred())
		w.Clock.Advance(result.RequeueAfter)
	}
	look := func() []string {
		GinkgoHelper()
		w.BeginPass()
		due, err := set.Sweeper.Look(ctx)
		Expect(err).NotTo(HaveOccurred())
		return due
	}
	BeforeEach(func() {
		w = fake.New()
		for n := range 3 {
			w.Publish(path(n))
		}
		w.AfterCall = func(call string) { Expect(fake.CheckInvariants(w)).To(BeEmpty(), call) }
		repository = manifest.NewRepository(manifest.Options{Objects: w.Store(), StoreName: "file:///store"})
		_, err := repository.Init(ctx, by)
		Expect(err).NotTo(HaveOccurred())
		set = controllers.New(controllers.Options{
			Host: w.Host(), HostName: "biz", Repository: repository, Sweep: sweep.Times{After: 1, Every: 1, Grace: time.Nanosecond},
		})
	})

	It("free the root of a release that never came, once another one is wanted", func() {
		edit(func(m *v1.Manifest) error { manifest.Put(m, web(9)); return nil }) // in no cache
		w.BeginPass()
		_, err := set.Sweeper.Reconcile(ctx, "web")
		Expect(providers.ReasonOf(err)).To(Equal("ClosureMissing"))
		Expect(w.Nix.RootLinks).To(HaveLen(1))
		Expect(look()).To(BeEmpty())

		edit(func(m *v1.Manifest) error { manifest.Put(m, web(1)); return nil })
		turn()
		Expect(w.Nix.RootLinks).To(HaveLen(2))
		look()
		Expect(look()).To(Equal([]string{"web"}))
		turn()
		Expect(w.Nix.RootLinks).To(HaveLen(1))
		Expect(w.Unit("web", v1.Primary).Running()).NotTo(BeEmpty())
	})

	It("leave nothing of a service that is removed while a crash and a person left things of it", func() {
		edit(func(m *v1.Manifest) error { manifest.Put(m, web(1)); return nil })
		for range 5 {
			turn()
		}
		edit(func(m *v1.Manifest) error { return manifest.Remove(m, "web", "ann") })
		turn()
		Expect(w.Unit("web", v1.Primary)).To(BeNil())
		w.Caddy.Routes["web"] = providers.Route{Service: "web", Path: "/"}
		w.Unfinished = []providers.Leftover{{Service: "web", Path: "/nix/var/nix/gcroots/biz/.new-web-1abcdefghijk-q3w4e5r6"}}
		look()
		Expect(look()).To(Equal([]string{"web"}))
		turn()
		Expect(w.Caddy.Routes).To(BeEmpty())
		Expect(w.Unfinished).To(BeEmpty())
		Expect(w.Nix.RootLinks).To(BeEmpty())
	})
})
