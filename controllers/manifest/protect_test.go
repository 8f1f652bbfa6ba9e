package manifest_test

import (
	"context"
	"errors"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("a protected service on a host", func() {
	var (
		w *fake.World
		r *manifest.Repository
		s *manifest.Source
	)
	edit := func(ctx context.Context, change func(*v1.Manifest) error) {
		GinkgoHelper()
		w.Clock.Advance(time.Second)
		o := by
		o.AllowMassRemoval = true
		_, err := r.Edit(ctx, o, change)
		Expect(err).NotTo(HaveOccurred())
	}
	// byHand writes the next generation as somebody with an editor would, past every check.
	byHand := func(ctx context.Context, change func(*v1.Manifest)) {
		GinkgoHelper()
		w.Clock.Advance(time.Second)
		read, err := r.Read(ctx)
		Expect(err).NotTo(HaveOccurred())
		m := read.Manifest.Clone()
		m.Generation++
		m.UpdatedAt = w.Clock.Now()
		change(m)
		data, err := v1.Encode(m)
		Expect(err).NotTo(HaveOccurred())
		put(ctx, w, manifest.Key, string(data))
	}
	take := func(name string) func(*v1.Manifest) {
		return func(m *v1.Manifest) {
			m.Services = slices.DeleteFunc(m.Services, func(s v1.Service) bool { return s.Name == name })
			m.Removed = append(m.Removed, v1.Removal{Name: name, Generation: m.Generation})
		}
	}
	protect := func(name string, on bool) func(*v1.Manifest) error {
		return func(m *v1.Manifest) error { m.Service(name).Protect = on; return nil }
	}
	kind := func(name string) v1.AssignmentKind { return s.Lookup(name).Kind }
	sync := func(ctx context.Context) error {
		_, err := s.Sync(ctx)
		return err
	}
	BeforeEach(func(ctx SpecContext) {
		w = fake.New()
		r = over(w.Store(), w)
		s = manifest.NewSource(manifest.SourceOptions{Repository: r, States: w.Host().States, Host: "biz", Now: w.Clock.Now})
		_, err := r.Init(ctx, by)
		Expect(err).NotTo(HaveOccurred())
		edit(ctx, add("web"))
		edit(ctx, add("api"))
		edit(ctx, protect("web", true))
		Expect(sync(ctx)).To(Succeed())
	})
	refused := func(ctx context.Context) error {
		GinkgoHelper()
		err := sync(ctx)
		Expect(providers.ReasonOf(err)).To(Equal("Protected"), "%v", err)
		Expect(kind("web")).To(Equal(v1.Assigned))
		return err
	}

	It("stays when a hand takes it out of the manifest, and the host says the way back", func(ctx SpecContext) {
		byHand(ctx, take("web"))
		Expect(refused(ctx)).To(MatchError(And(
			ContainSubstring("generation 5 in the store takes web off this host"),
			ContainSubstring("this host goes on with generation 4"),
			ContainSubstring("deploy-manifest set web protect=false"),
			ContainSubstring("deployerctl adopt"),
		)))
		By("also when others write on top of it")
		edit(ctx, add("db"))
		refused(ctx)
		Expect(kind("db")).To(BeEmpty())
		By("until it is brought back")
		names, err := r.Archives(ctx)
		Expect(err).NotTo(HaveOccurred())
		old, err := r.ReadArchive(ctx, names[len(names)-1])
		Expect(err).NotTo(HaveOccurred())
		for _, name := range names {
			if m, err := r.ReadArchive(ctx, name); err == nil && m.Service("web") != nil {
				old = m
				break
			}
		}
		edit(ctx, func(m *v1.Manifest) error { return manifest.Restore(m, old, "ann") })
		Expect(sync(ctx)).To(Succeed())
		Expect(kind("web")).To(Equal(v1.Assigned))
	})

	It("stays when a hand takes the host out of its hosts, or the protection away in the same breath", func(ctx SpecContext) {
		byHand(ctx, func(m *v1.Manifest) {
			m.Service("web").Hosts, m.Service("web").Protect = []string{"other"}, false
		})
		refused(ctx)
	})

	It("is taken down after somebody took the protection away, also when the host missed that", func(ctx SpecContext) {
		edit(ctx, protect("web", false))
		edit(ctx, add("db"))
		edit(ctx, remove("web"))
		Expect(sync(ctx)).To(Succeed())
		Expect(kind("web")).To(Equal(v1.Dismissed))
	})

	It("stays when it was protected again after that", func(ctx SpecContext) {
		edit(ctx, protect("web", false))
		edit(ctx, protect("web", true))
		edit(ctx, add("db"))
		byHand(ctx, take("web"))
		refused(ctx)
	})

	It("stays while the archive does not answer, and that is no refusal", func(ctx SpecContext) {
		edit(ctx, protect("web", false))
		edit(ctx, remove("web"))
		w.Fail("objects.List", errors.New("connection reset"))
		err := sync(ctx)
		Expect(err).To(MatchError(And(ContainSubstring("asking the archive whether web may be taken down"), ContainSubstring("connection reset"))))
		Expect(providers.ReasonOf(err)).NotTo(Equal("Protected"))
		Expect(kind("web")).To(Equal(v1.Assigned))
		w.Heal("")
		Expect(sync(ctx)).To(Succeed())
		Expect(kind("web")).To(Equal(v1.Dismissed))
	})

	It("is taken down when somebody on the host says so", func(ctx SpecContext) {
		byHand(ctx, take("web"))
		refused(ctx)
		_, err := s.Adopt(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(sync(ctx)).To(Succeed())
		Expect(kind("web")).To(Equal(v1.Dismissed))
	})

	It("stays also after a restart of the daemon", func(ctx SpecContext) {
		byHand(ctx, take("web"))
		s = manifest.NewSource(manifest.SourceOptions{Repository: r, States: w.Host().States, Host: "biz", Now: w.Clock.Now})
		Expect(s.Load(ctx)).To(Succeed())
		refused(ctx)
	})

	It("keeps no other service from being taken down by hand, nor from being changed", func(ctx SpecContext) {
		byHand(ctx, take("api"))
		Expect(sync(ctx)).To(Succeed())
		Expect(kind("api")).To(Equal(v1.Dismissed))
		byHand(ctx, func(m *v1.Manifest) { m.Service("web").Artifact.StorePath = pathTwo })
		Expect(sync(ctx)).To(Succeed())
		Expect(s.Lookup("web").Release.StorePath).To(Equal(pathTwo))
	})

	It("stays, unlisted, when the manifest does not mention it any more", func(ctx SpecContext) {
		byHand(ctx, func(m *v1.Manifest) { m.Services = m.Services[:0] })
		Expect(sync(ctx)).To(Succeed())
		Expect(kind("web")).NotTo(Equal(v1.Dismissed))
	})
})
