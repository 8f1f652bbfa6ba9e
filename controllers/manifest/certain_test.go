package manifest_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("what is in force", func() {
	var (
		w *fake.World
		r *manifest.Repository
		s *manifest.Source
	)
	open := func() *manifest.Source {
		return manifest.NewSource(manifest.SourceOptions{Repository: over(w.Store(), w), States: w.Host().States, Host: "biz", Now: w.Clock.Now})
	}
	edit := func(ctx context.Context, change func(*v1.Manifest) error) {
		GinkgoHelper()
		_, err := r.Edit(ctx, by, change)
		Expect(err).NotTo(HaveOccurred())
	}
	BeforeEach(func(ctx SpecContext) {
		w = fake.New()
		r = over(w.Store(), w)
		_, err := r.Init(ctx, by)
		Expect(err).NotTo(HaveOccurred())
		edit(ctx, add("web"))
		s = open()
	})
	sync := func(ctx context.Context) {
		GinkgoHelper()
		_, err := s.Sync(ctx)
		Expect(err).NotTo(HaveOccurred())
	}

	It("is certain once the store was read, and again at each answer", func(ctx SpecContext) {
		Expect(s.Certain()).To(MatchError(ContainSubstring("has not been read yet")))
		sync(ctx)
		Expect(s.Certain()).To(Succeed())
		w.Clock.Advance(time.Hour)
		Expect(s.Certain()).To(MatchError(ContainSubstring("was last read at")))
		sync(ctx)
		Expect(s.Certain()).To(Succeed())
	})

	It("is not certain when it is what an earlier daemon obeyed", func(ctx SpecContext) {
		sync(ctx)
		s = open()
		Expect(s.Load(ctx)).To(Succeed())
		Expect(s.Lookup("web").Kind).To(Equal(v1.Assigned))
		Expect(s.Certain()).To(MatchError(providers.ErrUnavailable))
	})

	It("is not certain while the store does not answer, or has something else", func(ctx SpecContext) {
		sync(ctx)
		w.Fail("objects.Get", errors.New("connection reset"))
		_, err := s.Sync(ctx)
		Expect(err).To(HaveOccurred())
		Expect(s.Certain()).To(MatchError(ContainSubstring("connection reset")))
		w.Heal("")
		sync(ctx)
		Expect(s.Certain()).To(Succeed())

		put(ctx, w, manifest.Key, "<html>")
		_, err = s.Sync(ctx)
		Expect(err).To(HaveOccurred())
		Expect(s.Certain()).NotTo(Succeed())
		Expect(w.Store().Delete(ctx, manifest.Key)).To(Succeed())
		_, err = s.Sync(ctx)
		Expect(err).To(HaveOccurred())
		Expect(s.Certain()).NotTo(Succeed())
	})

	It("is not certain after its time", func(ctx SpecContext) {
		edit(ctx, func(m *v1.Manifest) error {
			at := w.Clock.Now().Add(time.Hour)
			m.Expires = &at
			return nil
		})
		sync(ctx)
		Expect(s.Certain()).To(Succeed())
		w.Clock.Advance(2 * time.Hour)
		sync(ctx)
		Expect(s.Certain()).To(MatchError(ContainSubstring("it expired at")))
	})
})
