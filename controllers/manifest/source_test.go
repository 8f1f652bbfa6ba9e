package manifest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

// queue remembers what was enqueued.
type queue struct {
	mu    sync.Mutex
	names []string
}

func (q *queue) Enqueue(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.names = append(q.names, name)
}

func (q *queue) EnqueueAfter(name string, _ time.Duration) { q.Enqueue(name) }

func (q *queue) take() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := slices.Sorted(slices.Values(q.names))
	q.names = nil
	return out
}

var _ = Describe("Source", func() {
	var (
		w *fake.World
		r *manifest.Repository
		s *manifest.Source
	)
	newSource := func(change ...func(*manifest.SourceOptions)) *manifest.Source {
		o := manifest.SourceOptions{Repository: over(w.Store(), w), States: w.Host().States, Host: "biz", Now: w.Clock.Now}
		for _, c := range change {
			c(&o)
		}
		return manifest.NewSource(o)
	}
	BeforeEach(func(ctx SpecContext) {
		w = fake.New()
		r = over(w.Store(), w)
		_, err := r.Init(ctx, by)
		Expect(err).NotTo(HaveOccurred())
		_, err = r.Edit(ctx, by, add("web"))
		Expect(err).NotTo(HaveOccurred())
		s = newSource()
	})
	edit := func(ctx context.Context, change func(*v1.Manifest) error) {
		GinkgoHelper()
		w.Clock.Advance(time.Second)
		o := by
		o.AllowMassRemoval = true
		_, err := r.Edit(ctx, o, change)
		Expect(err).NotTo(HaveOccurred())
	}
	sync := func(ctx context.Context) []string {
		GinkgoHelper()
		changed, err := s.Sync(ctx)
		Expect(err).NotTo(HaveOccurred())
		slices.Sort(changed)
		return changed
	}
	refused := func(ctx context.Context, reason string) error {
		GinkgoHelper()
		before := s.Manifest()
		changed, err := s.Sync(ctx)
		Expect(changed).To(BeEmpty())
		Expect(providers.ReasonOf(err)).To(Equal(reason), "%v", err)
		Expect(s.Manifest()).To(BeIdenticalTo(before), "what was in force is in force no longer")
		status, problem := s.Status()
		Expect(problem).To(MatchError(err.Error()))
		Expect(status.StaleSince).NotTo(BeNil())
		return err
	}
	kind := func(name string) v1.AssignmentKind { return s.Lookup(name).Kind }

	It("names what changed for this host, and nothing else", func(ctx SpecContext) {
		Expect(sync(ctx)).To(Equal([]string{"web"}))
		Expect(kind("web")).To(Equal(v1.Assigned))
		Expect(sync(ctx)).To(BeEmpty())
		edit(ctx, add("api"))
		Expect(sync(ctx)).To(Equal([]string{"api"}))
		edit(ctx, func(m *v1.Manifest) error { m.Service("web").Hosts = []string{"other"}; return nil })
		Expect(sync(ctx)).To(Equal([]string{"web"}))
		Expect(kind("web")).To(Equal(v1.Dismissed))
		edit(ctx, func(m *v1.Manifest) error {
			manifest.Put(m, v1.Service{Name: "elsewhere", Hosts: []string{"other"}})
			return nil
		})
		Expect(sync(ctx)).To(Equal([]string{"elsewhere"}), "a name that this host may have had once")
		_, err := r.Edit(ctx, manifest.EditOptions{By: "bob@laptop", Message: "for another reason"}, add("worker"))
		Expect(err).NotTo(HaveOccurred())
		Expect(sync(ctx)).To(Equal([]string{"worker"}), "another writer with another reason")
	})

	It("says that a service listed in removed is to go", func(ctx SpecContext) {
		sync(ctx)
		edit(ctx, remove("web"))
		Expect(sync(ctx)).To(Equal([]string{"web"}))
		Expect(kind("web")).To(Equal(v1.Dismissed))
	})

	It("survives F10: an empty list removes nothing", func(ctx SpecContext) {
		sync(ctx)
		edit(ctx, func(m *v1.Manifest) error { m.Services = []v1.Service{}; return nil })
		Expect(sync(ctx)).To(Equal([]string{"web"}))
		Expect(kind("web")).To(BeElementOf(v1.Absent, v1.AssignmentKind("")))
		Expect(kind("web")).NotTo(Equal(v1.Dismissed))
	})

	Describe("keeping the last valid manifest", func() {
		BeforeEach(func(ctx SpecContext) { sync(ctx) })

		It("survives F1: the store is down", func(ctx SpecContext) {
			w.Fail("objects.Get", providers.ErrUnavailable)
			refused(ctx, "Unavailable")
			Expect(kind("web")).To(Equal(v1.Assigned))
			w.Heal("objects.Get")
			Expect(sync(ctx)).To(BeEmpty())
			status, problem := s.Status()
			Expect(problem).NotTo(HaveOccurred())
			Expect(status.StaleSince).To(BeNil())
		})

		It("survives F4: the manifest is deleted", func(ctx SpecContext) {
			Expect(w.Store().Delete(ctx, manifest.Key)).To(Succeed())
			refused(ctx, "ManifestMissing")
		})

		DescribeTable("survives F4 and F5: something else is in its place",
			func(ctx SpecContext, document, reason string) {
				put(ctx, w, manifest.Key, document)
				refused(ctx, reason)
			},
			Entry("a page of HTML", "<html></html>", "ManifestInvalid"),
			Entry("nothing at all", "", "ManifestInvalid"),
			Entry("half of it", `{"signatures":[],"manifest":{"version":1,"serv`, "ManifestInvalid"),
			Entry("a newer version", `{"version":9,"services":[]}`, "NeedsNewerDeployer"),
			Entry("a field of a newer program", `{"version":1,"services":[{"name":"web","hosts":["biz"],"gpu":1}]}`, "NeedsNewerDeployer"),
		)

		It("survives F6: an older version is put back, also when state.json is lost and after a restart", func(ctx SpecContext) {
			old := content(ctx, w, manifest.Key)
			edit(ctx, add("api"))
			sync(ctx)
			w.Clock.Advance(time.Second)
			put(ctx, w, manifest.Key, old)
			Expect(refused(ctx, "GenerationReplayed")).To(MatchError(And(ContainSubstring("generation 2"), ContainSubstring("generation 3"))))
			w.LoseState()
			s = newSource()
			Expect(s.Load(ctx)).To(Succeed())
			refused(ctx, "GenerationReplayed")
			Expect(kind("api")).To(Equal(v1.Assigned))
			edit(ctx, add("db"))
			Expect(sync(ctx)).To(ContainElement("db"), "a write with deploy-manifest settles it")
		})

		It("survives F6: the same generation with other content", func(ctx SpecContext) {
			read, err := r.Read(ctx)
			Expect(err).NotTo(HaveOccurred())
			m := read.Manifest.Clone()
			m.Services = append(m.Services, worker("intruder"))
			data, err := v1.Encode(m)
			Expect(err).NotTo(HaveOccurred())
			put(ctx, w, manifest.Key, string(data))
			refused(ctx, "GenerationForked")
			edit(ctx, add("api"))
			Expect(sync(ctx)).To(ContainElement("api"))
		})

		It("survives F10: init is run again, and waits for adopt", func(ctx SpecContext) {
			Expect(w.Store().Delete(ctx, manifest.Key)).To(Succeed())
			anew := by
			anew.NewLineage = true
			_, err := r.Init(ctx, anew)
			Expect(err).NotTo(HaveOccurred())
			Expect(refused(ctx, "LineageChanged")).To(MatchError(ContainSubstring("deployerctl adopt")))
			m, err := s.Adopt(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(m.Generation).To(BeEquivalentTo(1))
			Expect(sync(ctx)).To(Equal([]string{"web"}))
			Expect(kind("web")).NotTo(Equal(v1.Dismissed), "a new, empty manifest removes nothing")
		})

		It("has it after a restart with the store down", func(ctx SpecContext) {
			w.Fail("objects.Get", providers.ErrUnavailable)
			s = newSource()
			Expect(s.Load(ctx)).To(Succeed())
			Expect(kind("web")).To(Equal(v1.Assigned))
			Expect(s.Lookup("web").Release.StorePath).To(Equal(pathOne))
		})

		It("starts with a damaged copy on disk, and takes the store's", func(ctx SpecContext) {
			Expect(w.Host().States.SaveManifest(ctx, []byte("{"))).To(Succeed())
			s = newSource()
			Expect(s.Load(ctx)).To(Succeed())
			Expect(s.Manifest()).To(BeNil())
			Expect(sync(ctx)).To(Equal([]string{"web"}))
		})

		It("obeys nothing that it could not keep, and tries again (F23)", func(ctx SpecContext) {
			edit(ctx, add("api"))
			w.Fail("states.SaveManifest", errors.New("no space left on device"))
			changed, err := s.Sync(ctx)
			Expect(changed).To(BeEmpty())
			Expect(err).To(MatchError(ContainSubstring("no space left")))
			Expect(kind("api")).To(BeEmpty())
			w.Heal("")
			q := &queue{}
			ctx2, cancel := context.WithCancel(ctx)
			defer cancel()
			go func() { _ = s.Run(ctx2, q) }()
			Eventually(q.take).WithTimeout(soon).Should(ContainElement("api"))
		})
	})

	Describe("ETags", func() {
		It("survives F7: another ETag with the same content changes nothing", func(ctx SpecContext) {
			sync(ctx)
			put(ctx, w, manifest.Key, content(ctx, w, manifest.Key)+"\n")
			Expect(sync(ctx)).To(BeEmpty())
		})

		It("takes the same content again after it was something else for a while", func(ctx SpecContext) {
			s = newSource(func(o *manifest.SourceOptions) {
				o.Pace = manifest.Pace{Min: time.Millisecond, Max: time.Millisecond, Eager: time.Hour}
			})
			running, stop := context.WithCancel(ctx)
			defer stop()
			go func() { _ = s.Run(running, &queue{}) }()
			problem := func() error { _, err := s.Status(); return err }
			Eventually(func() *v1.Manifest { return s.Manifest() }).WithTimeout(soon).ShouldNot(BeNil())
			good := content(ctx, w, manifest.Key)
			put(ctx, w, manifest.Key, "<html>")
			Eventually(problem).WithTimeout(soon).Should(HaveOccurred())
			put(ctx, w, manifest.Key, good)
			Eventually(problem).WithTimeout(soon).ShouldNot(HaveOccurred())
		})

		It("survives F7: other content under the same ETag is found within a minute", func(ctx SpecContext) {
			frozen := &frozenETag{Objects: w.Store()}
			s = newSource(func(o *manifest.SourceOptions) {
				o.Repository = over(frozen, w)
				o.Pace = manifest.Pace{Min: time.Millisecond, Max: time.Millisecond, Eager: time.Hour}
			})
			q := &queue{}
			running, stop := context.WithCancel(ctx)
			defer stop()
			go func() { _ = s.Run(running, q) }()
			Eventually(q.take).WithTimeout(soon).Should(ContainElement("web"))
			edit(ctx, add("api"))
			Consistently(q.take).WithTimeout(50 * time.Millisecond).Should(BeEmpty())
			w.Clock.Advance(time.Minute)
			Eventually(q.take).WithTimeout(soon).Should(ContainElement("api"))
		})
	})

	Describe("running", func() {
		It("enqueues all names of manifest and host before the first poll", func(ctx SpecContext) {
			sync(ctx)
			w.Fail("objects.Get", providers.ErrUnavailable)
			s = newSource(func(o *manifest.SourceOptions) {
				o.Names = func(context.Context) ([]string, error) { return []string{"web", "leftover"}, nil }
			})
			Expect(s.Load(ctx)).To(Succeed())
			q := &queue{}
			running, stop := context.WithCancel(ctx)
			defer stop()
			go func() { _ = s.Run(running, q) }()
			Eventually(q.take).WithTimeout(soon).Should(Equal([]string{"leftover", "web"}))
		})

		It("enqueues the names of the manifest although the host cannot be listed", func(ctx SpecContext) {
			sync(ctx)
			s = newSource(func(o *manifest.SourceOptions) {
				o.Names = func(context.Context) ([]string, error) { return nil, errors.New("disk is away") }
			})
			Expect(s.Load(ctx)).To(Succeed())
			q := &queue{}
			running, stop := context.WithCancel(ctx)
			defer stop()
			go func() { _ = s.Run(running, q) }()
			Eventually(q.take).WithTimeout(soon).Should(ContainElement("web"))
		})

		It("looks at once when it is woken", func(ctx SpecContext) {
			s = newSource(func(o *manifest.SourceOptions) {
				o.Pace = manifest.Pace{Min: time.Hour, Max: time.Hour, Eager: time.Hour}
			})
			q := &queue{}
			running, stop := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() { done <- s.Run(running, q) }()
			Eventually(q.take).WithTimeout(soon).Should(Equal([]string{"web"}))
			edit(ctx, add("api"))
			Consistently(q.take).WithTimeout(50 * time.Millisecond).Should(BeEmpty())
			s.Wake()
			Eventually(q.take).WithTimeout(soon).Should(Equal([]string{"api"}))
			stop()
			Eventually(done).WithTimeout(soon).Should(Receive(BeNil()))
		})

		It("enqueues what a Sync finds", func(ctx SpecContext) {
			s = newSource(func(o *manifest.SourceOptions) {
				o.Pace = manifest.Pace{Min: time.Hour, Max: time.Hour, Eager: time.Hour}
			})
			q := &queue{}
			running, stop := context.WithCancel(ctx)
			defer stop()
			go func() { _ = s.Run(running, q) }()
			Eventually(q.take).WithTimeout(soon).Should(Equal([]string{"web"}))
			edit(ctx, add("api"))
			Expect(sync(ctx)).To(Equal([]string{"api"}))
			Expect(q.take()).To(Equal([]string{"api"}))
		})
	})

	It("tells of each look that changed the status", func(ctx SpecContext) {
		var seen []v1.ManifestStatus
		s = newSource(func(o *manifest.SourceOptions) { o.OnChange = func(m v1.ManifestStatus) { seen = append(seen, m) } })
		sync(ctx)
		Expect(seen).To(HaveLen(1))
		Expect(seen[0].Store).To(Equal("file:///store"))
		Expect(seen[0].UpdatedBy).To(Equal("ann@laptop"))
		Expect(seen[0].LastRead).To(BeTemporally("==", w.Clock.Now()))
		w.Fail("objects.Get", providers.ErrUnavailable)
		refused(ctx, "Unavailable")
		Expect(seen).To(HaveLen(2))
		Expect(seen[1].Hash).To(Equal(seen[0].Hash))
		refused(ctx, "Unavailable")
		status, _ := s.Status()
		Expect(*status.StaleSince).To(BeTemporally("==", *seen[1].StaleSince), "since the first failure, not the last")
	})
})

// frozenETag is a cache between us and the store that never renews its ETag.
type frozenETag struct{ providers.Objects }

func (f *frozenETag) Get(ctx context.Context, key string, o providers.GetOptions) (*providers.Object, error) {
	if o.IfNoneMatch == "frozen" {
		return nil, fmt.Errorf("reading %s: %w", key, providers.ErrNotModified)
	}
	object, err := f.Objects.Get(ctx, key, o)
	if err == nil {
		object.ETag = "frozen"
	}
	return object, err
}
