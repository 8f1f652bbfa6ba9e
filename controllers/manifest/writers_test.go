package manifest_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("writers of a manifest", func() {
	var (
		w *fake.World
		r *manifest.Repository
	)
	BeforeEach(func() {
		w = fake.New()
		r = over(w.Store(), w)
	})
	initialise := func(ctx context.Context) {
		GinkgoHelper()
		_, err := r.Init(ctx, by)
		Expect(err).NotTo(HaveOccurred())
	}
	edit := func(ctx context.Context, change func(*v1.Manifest) error) {
		GinkgoHelper()
		w.Clock.Advance(time.Second)
		_, err := r.Edit(ctx, by, change)
		Expect(err).NotTo(HaveOccurred())
	}

	DescribeTable("survives F8: loses no edit of two writers in a loop",
		func(ctx SpecContext, wrap func(providers.Objects) providers.Objects, conditional bool, edits int) {
			initialise(ctx)
			edit(ctx, add("web"))
			write := func(prefix string) {
				defer GinkgoRecover()
				mine := manifest.NewRepository(manifest.Options{
					Objects: wrap(w.Store()), Now: time.Now,
					Conditional: func(context.Context) (bool, error) { return conditional, nil },
				})
				for range edits {
					_, err := mine.Edit(ctx, by, count(prefix))
					Expect(err).NotTo(HaveOccurred())
				}
			}
			var both sync.WaitGroup
			both.Go(func() { write("LEFT") })
			both.Go(func() { write("RIGHT") })
			both.Wait()
			now, err := r.Read(ctx)
			Expect(err).NotTo(HaveOccurred())
			total := strconv.Itoa(edits)
			Expect(now.Manifest.Service("web").Env).To(Equal(map[string]string{"LEFT": total, "RIGHT": total}))
			Expect(now.Manifest.Generation).To(BeEquivalentTo(2 + 2*edits))
			expectHistory(ctx, r)
		},
		Entry("on a store with conditions", func(o providers.Objects) providers.Objects { return o }, true, 100, NodeTimeout(2*time.Minute)),
		Entry("on a store that ignores them (F9)", func(o providers.Objects) providers.Objects { return careless{o} }, false, 20, NodeTimeout(2*time.Minute)),
	)

	DescribeTable("survives F8: a writer killed at any call",
		func(ctx SpecContext, conditional bool) {
			for _, after := range []bool{false, true} {
				for n := int64(1); ; n++ {
					w = fake.New()
					r = over(w.Store(), w)
					initialise(ctx)
					edit(ctx, add("web"))
					w.Clock.Advance(time.Second)
					d := &dying{Objects: w.Store(), after: after}
					d.left.Store(n)
					o := manifest.Options{Objects: d, Now: w.Clock.Now, Conditional: func(context.Context) (bool, error) { return conditional, nil }}
					_, err := manifest.NewRepository(o).Edit(ctx, by, add("api"))
					Expect(errors.Is(err, errKilled) || err == nil).To(BeTrue(), "call %d: %v", n, err)
					finished := d.left.Load() > 0

					w.Clock.Advance(time.Minute)
					now, readErr := r.Read(ctx)
					Expect(readErr).NotTo(HaveOccurred())
					Expect(now.Manifest.Service("web")).NotTo(BeNil(), "call %d", n)
					if err == nil {
						Expect(now.Manifest.Service("api")).NotTo(BeNil(), "call %d", n)
					}
					expectHistory(ctx, r)
					// The next writer goes on, and the other edit is neither lost nor done twice.
					o.Objects = w.Store()
					_, err = manifest.NewRepository(o).Edit(ctx, by, add("api"))
					Expect(err).NotTo(HaveOccurred(), "call %d", n)
					_, err = manifest.NewRepository(o).Edit(ctx, by, add("db"))
					Expect(err).NotTo(HaveOccurred(), "call %d", n)
					now, err = r.Read(ctx)
					Expect(err).NotTo(HaveOccurred())
					Expect(names(now.Manifest)).To(Equal([]string{"web", "api", "db"}))
					expectHistory(ctx, r)
					if finished {
						break
					}
					Expect(n).To(BeNumerically("<", 50), "the edit never ends")
				}
			}
		},
		Entry("on a store with conditions", true),
		Entry("on a store that ignores them", false),
	)

	// typed is the edit of a person who had the text open since base was read.
	typed := func(base *v1.Manifest, change func(*v1.Manifest) error) func(*v1.Manifest) error {
		mine := base.Clone()
		Expect(change(mine)).To(Succeed())
		return func(m *v1.Manifest) error {
			return manifest.Rebase(m, manifest.RebaseOptions{Base: base, Mine: mine, By: "ann@laptop"})
		}
	}

	DescribeTable("survives F8: loses no edit of people who edit the text, and roll one service back, in a loop",
		func(ctx SpecContext, wrap func(providers.Objects) providers.Objects, conditional bool, edits int) {
			initialise(ctx)
			edit(ctx, add("web"))
			edit(ctx, add("api"))
			edit(ctx, func(m *v1.Manifest) error { manifest.SetRelease(m.Service("api"), pathTwo, ""); return nil })
			fresh := func() *manifest.Repository {
				return manifest.NewRepository(manifest.Options{
					Objects: wrap(w.Store()), Now: time.Now,
					Conditional: func(context.Context) (bool, error) { return conditional, nil },
				})
			}
			var all sync.WaitGroup
			for _, name := range []string{"LEFT", "RIGHT"} {
				all.Go(func() {
					defer GinkgoRecover()
					mine := fresh()
					for range edits {
						base, err := mine.Read(ctx)
						Expect(err).NotTo(HaveOccurred())
						_, err = mine.Edit(ctx, by, typed(base.Manifest, count(name)))
						Expect(err).NotTo(HaveOccurred())
					}
				})
			}
			all.Go(func() {
				defer GinkgoRecover()
				mine := fresh()
				for range edits {
					way, err := mine.Rollback(ctx, manifest.RollbackOptions{Service: "api"})
					Expect(err).NotTo(HaveOccurred())
					done, err := mine.Edit(ctx, by, way.Edit)
					Expect(err).NotTo(HaveOccurred())
					Expect(done.Written).To(BeTrue())
				}
			})
			all.Wait()
			now, err := r.Read(ctx)
			Expect(err).NotTo(HaveOccurred())
			total := strconv.Itoa(edits)
			Expect(now.Manifest.Service("web").Env).To(Equal(map[string]string{"LEFT": total, "RIGHT": total}))
			Expect(now.Manifest.Service("api").Artifact.StorePath).To(Equal([]string{pathTwo, pathOne}[edits%2]))
			Expect(now.Manifest.Generation).To(BeEquivalentTo(4 + 3*edits))
			expectHistory(ctx, r)
		},
		Entry("on a store with conditions", func(o providers.Objects) providers.Objects { return o }, true, 25, NodeTimeout(2*time.Minute)),
		Entry("on a store that ignores them (F9)", func(o providers.Objects) providers.Objects { return careless{o} }, false, 9, NodeTimeout(2*time.Minute)),
	)

	DescribeTable("survives F8: killed at any call, undoes the last write wholly or not at all",
		func(ctx SpecContext, o manifest.RollbackOptions, conditional bool) {
			for _, after := range []bool{false, true} {
				for n := int64(1); ; n++ {
					w = fake.New()
					r = over(w.Store(), w)
					initialise(ctx)
					edit(ctx, add("web"))
					edit(ctx, func(m *v1.Manifest) error { manifest.SetRelease(m.Service("web"), pathTwo, ""); return nil })
					w.Clock.Advance(time.Second)
					d := &dying{Objects: w.Store(), after: after}
					d.left.Store(n)
					mine := manifest.NewRepository(manifest.Options{
						Objects: d, Now: w.Clock.Now, Conditional: func(context.Context) (bool, error) { return conditional, nil },
					})
					way, err := mine.Rollback(ctx, o)
					if err == nil {
						_, err = mine.Edit(ctx, by, way.Edit)
					}
					Expect(errors.Is(err, errKilled) || err == nil).To(BeTrue(), "call %d: %v", n, err)
					now, readErr := r.Read(ctx)
					Expect(readErr).NotTo(HaveOccurred())
					wrote := now.Manifest.Generation == 4
					Expect(now.Manifest.Service("web").Artifact.StorePath).To(Equal(map[bool]string{false: pathTwo, true: pathOne}[wrote]))
					Expect(wrote || err != nil).To(BeTrue(), "call %d", n)
					expectHistory(ctx, r)
					if d.left.Load() > 0 {
						break
					}
					Expect(n).To(BeNumerically("<", 60), "the rollback never ends")
				}
			}
		},
		Entry("of everything", manifest.RollbackOptions{}, true),
		Entry("of everything, on a store that ignores conditions", manifest.RollbackOptions{}, false),
		Entry("of one service", manifest.RollbackOptions{Service: "web"}, true),
		Entry("to a generation", manifest.RollbackOptions{To: "2"}, true),
	)

	It("warns once of a store that ignores conditions (F9)", func(ctx SpecContext) {
		var warnings []string
		asked := 0
		r = manifest.NewRepository(manifest.Options{
			Objects: careless{w.Store()}, StoreName: "s3://careless", Now: w.Clock.Now,
			Conditional: func(context.Context) (bool, error) { asked++; return false, nil },
			Warn:        func(m string) { warnings = append(warnings, m) },
		})
		initialise(ctx)
		edit(ctx, add("a"))
		edit(ctx, add("b"))
		Expect(asked).To(Equal(1))
		Expect(warnings).To(ConsistOf(ContainSubstring("s3://careless ignores conditional writes")))
		claims, err := w.Store().List(ctx, "manifests/.claims/")
		Expect(err).NotTo(HaveOccurred())
		Expect(claims).To(BeEmpty())
		expectHistory(ctx, r)
	})

	It("gives way when it was asleep for so long that others took it for dead (F26)", func(ctx SpecContext) {
		initialise(ctx)
		edit(ctx, add("web"))
		without := func(o providers.Objects) *manifest.Repository {
			return manifest.NewRepository(manifest.Options{
				Objects: o, Now: w.Clock.Now, Conditional: func(context.Context) (bool, error) { return false, nil },
			})
		}
		slept := false
		sleepy := &beforePut{Objects: careless{w.Store()}, prefix: "manifests/manifest-", do: func() {
			if slept {
				return
			}
			slept = true
			w.Clock.Advance(time.Minute)
			_, err := without(careless{w.Store()}).Edit(ctx, by, add("other"))
			Expect(err).NotTo(HaveOccurred())
		}}
		_, err := without(sleepy).Edit(ctx, by, add("mine"))
		Expect(err).NotTo(HaveOccurred())
		now, err := r.Read(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(slept).To(BeTrue())
		Expect(names(now.Manifest)).To(Equal([]string{"web", "other", "mine"}))
		expectHistory(ctx, r)
	})
})
