package manifest_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("the versions whose releases are kept", func() {
	var (
		w *fake.World
		r *manifest.Repository
	)
	// Generation 1 at noon, and one more every day at noon, up to generation 9.
	BeforeEach(func(ctx SpecContext) {
		w = fake.New()
		r = over(w.Store(), w)
		_, err := r.Init(ctx, by)
		Expect(err).NotTo(HaveOccurred())
		for n := range 8 {
			w.Clock.Advance(24 * time.Hour)
			_, err := r.Edit(ctx, by, add(serviceName("s", n)))
			Expect(err).NotTo(HaveOccurred())
		}
	})
	kept := func(ctx context.Context, newest int, since time.Duration) []int64 {
		GinkgoHelper()
		versions, err := r.Kept(ctx, manifest.KeepOptions{Newest: newest, Since: w.Clock.Now().Add(-since)})
		Expect(err).NotTo(HaveOccurred())
		var out []int64
		for _, v := range versions {
			out = append(out, v.Manifest.Generation)
		}
		return out
	}

	It("are the one in force, the newest, and all that were in force since", func(ctx SpecContext) {
		w.Clock.Advance(time.Hour)
		Expect(kept(ctx, 0, time.Minute)).To(Equal([]int64{9}))
		Expect(kept(ctx, 2, time.Minute)).To(Equal([]int64{9, 8, 7}))
		Expect(kept(ctx, 0, 2*time.Hour)).To(Equal([]int64{9, 8}), "8 was in force until an hour ago, although it is a day old")
		Expect(kept(ctx, 0, 26*time.Hour)).To(Equal([]int64{9, 8, 7}))
		Expect(kept(ctx, 4, 26*time.Hour)).To(Equal([]int64{9, 8, 7, 6, 5}))
		Expect(kept(ctx, 100, 0)).To(HaveLen(9))
		Expect(kept(ctx, 0, 1000*time.Hour)).To(HaveLen(9))
	})

	It("are not known while one of them cannot be read, or the one in force", func(ctx SpecContext) {
		names, err := r.Archives(ctx)
		Expect(err).NotTo(HaveOccurred())
		put(ctx, w, "manifests/"+names[2], "{")
		Expect(kept(ctx, 2, 0)).To(HaveLen(3))
		_, err = r.Kept(ctx, manifest.KeepOptions{Newest: 3, Since: w.Clock.Now()})
		Expect(providers.ReasonOf(err)).To(Equal("ArchiveUnreadable"))
		Expect(err).To(MatchError(ContainSubstring("of " + names[2] + " nobody knows which releases it needs")))
		put(ctx, w, manifest.Key, "{")
		_, err = r.Kept(ctx, manifest.KeepOptions{Newest: 1})
		Expect(err).To(MatchError(ContainSubstring("manifest.json is not a usable manifest")))
	})

	It("have releases that are found by their revisions, as hosts name them", func(ctx SpecContext) {
		releases, err := r.Releases(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(releases).To(HaveLen(8))
		service := worker(serviceName("s", 0))
		Expect(releases).To(HaveKeyWithValue(service.Release().Revision(), pathOne))
	})
})
