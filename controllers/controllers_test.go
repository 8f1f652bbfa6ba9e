package controllers_test

import (
	"context"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

// passes counts them.
type passes struct{ n atomic.Int64 }

func (p *passes) PassDone(string, string, time.Duration) { p.n.Add(1) }
func (p *passes) QueueDepth(string, int)                 {}
func (p *passes) OldestAge(string, time.Duration)        {}

// watcher hands a spec what the Set gave it.
type watcher struct{ changed chan func(string) }

func (w watcher) Watch(ctx context.Context, changed func(string)) error {
	w.changed <- changed
	<-ctx.Done()
	return nil
}

var _ = Describe("a Set", func() {
	var (
		set     *controllers.Set
		counted *passes
		eye     watcher
	)
	// Services without a release: their passes have nothing to do, and end.
	service := func(name, host, envFile string) v1.Service {
		return v1.Service{Name: name, Hosts: []string{host}, EnvFile: envFile, Artifact: &v1.Artifact{StorePath: v1.PlaceholderPath}}
	}
	BeforeEach(func(ctx SpecContext) {
		world := fake.New()
		repository := manifest.NewRepository(manifest.Options{Objects: world.Store(), StoreName: "fake"})
		_, err := repository.Init(ctx, manifest.EditOptions{By: "ann"})
		Expect(err).NotTo(HaveOccurred())
		_, err = repository.Edit(ctx, manifest.EditOptions{By: "ann"}, func(m *v1.Manifest) error {
			manifest.Put(m, service("web", "biz", "/var/lib/biz-secrets/shared.env"))
			manifest.Put(m, service("api", "biz", "/var/lib/biz-secrets/shared.env"))
			manifest.Put(m, service("worker", "biz", ""))
			manifest.Put(m, service("elsewhere", "other", "/var/lib/biz-secrets/elsewhere.env"))
			return nil
		})
		Expect(err).NotTo(HaveOccurred())
		counted, eye = &passes{}, watcher{make(chan func(string), 1)}
		set = controllers.New(controllers.Options{
			Host: world.Host(), HostName: "biz", Repository: repository, Workers: 2, FullPass: time.Hour, Metrics: counted,
			Watchers: func(*controllers.Set) []providers.Watcher { return []providers.Watcher{eye} },
		})
		Expect(set.Load(ctx)).To(Succeed())
		Expect(set.Sync(ctx)).To(Succeed())
	})

	It("tells its watchers the services of this host, and their secrets files", func() {
		Expect(set.Names()).To(Equal([]string{"api", "web", "worker"}))
		Expect(set.EnvFiles()).To(HaveLen(1))
		Expect(set.EnvFiles()["/var/lib/biz-secrets/shared.env"]).To(ConsistOf("api", "web"))
	})

	It("makes a pass of what a watcher tells, if it is of a service of this host", func() {
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- set.Run(ctx) }()
		var changed func(string)
		Eventually(eye.changed).Should(Receive(&changed))
		Eventually(func() int64 {
			before := counted.n.Load()
			time.Sleep(200 * time.Millisecond)
			return counted.n.Load() - before
		}).WithTimeout(10 * time.Second).Should(BeZero())

		before := counted.n.Load()
		changed("web")
		Eventually(counted.n.Load).Should(Equal(before + 1))
		changed("elsewhere")
		changed("logrotate")
		Consistently(counted.n.Load).WithTimeout(200 * time.Millisecond).Should(Equal(before + 1))
		stop()
		Eventually(ended).WithTimeout(5 * time.Second).Should(Receive(BeNil()))
	})
})
