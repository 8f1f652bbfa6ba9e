package manifest_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

// counting counts the readers at work and the reads, and lets each take its time.
type counting struct {
	providers.Objects
	takes             time.Duration
	reads, busy, most atomic.Int64
}

func (c *counting) Get(ctx context.Context, key string, o providers.GetOptions) (*providers.Object, error) {
	c.reads.Add(1)
	busy := c.busy.Add(1)
	defer c.busy.Add(-1)
	for most := c.most.Load(); busy > most && !c.most.CompareAndSwap(most, busy); most = c.most.Load() {
	}
	time.Sleep(c.takes)
	return c.Objects.Get(ctx, key, o)
}

var _ = Describe("versions of a manifest", func() {
	var (
		w *fake.World
		r *manifest.Repository
	)
	BeforeEach(func(ctx SpecContext) {
		w = fake.New()
		r = over(w.Store(), w)
		_, err := r.Init(ctx, by)
		Expect(err).NotTo(HaveOccurred())
	})
	edit := func(ctx context.Context, change func(*v1.Manifest) error) *manifest.Edited {
		GinkgoHelper()
		w.Clock.Advance(time.Second)
		e, err := r.Edit(ctx, manifest.EditOptions{By: "ann@laptop", AllowMassRemoval: true}, change)
		Expect(err).NotTo(HaveOccurred())
		return e
	}
	release := func(n int) func(*v1.Manifest) error {
		return alter(func(s *v1.Service) { manifest.SetRelease(s, fmt.Sprintf("%s.%d", pathOne, n), "") })
	}
	generation := func(ctx context.Context, name string) int64 {
		GinkgoHelper()
		v, err := r.Version(ctx, name)
		Expect(err).NotTo(HaveOccurred())
		return v.Manifest.Generation
	}

	Describe("have names", func() {
		It("for the one in force, the one before, a generation and an archived one", func(ctx SpecContext) {
			edit(ctx, add("web"))
			archived := edit(ctx, release(1)).Archive
			edit(ctx, release(2))
			Expect(generation(ctx, "current")).To(BeEquivalentTo(4))
			Expect(generation(ctx, "previous")).To(BeEquivalentTo(3))
			Expect(generation(ctx, archived)).To(BeEquivalentTo(2))
			for g := int64(1); g <= 4; g++ {
				Expect(generation(ctx, fmt.Sprint(g))).To(Equal(g))
			}
		})

		It("that are refused with what there is", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(1))
			for name, says := range map[string]string{
				"9":                    "there is no generation 9 in the archive; there are 1 to 3: `deploy-manifest history -n 0` lists them",
				"99999999999999999999": "there is no generation 99999999999999999999 in the archive",
				"yesterday":            `"yesterday" is not the name of an archived manifest, nor a generation`,
			} {
				_, err := r.Version(ctx, name)
				Expect(err).To(MatchError(ContainSubstring(says)))
				Expect(err).To(MatchError(providers.ErrNotFound))
			}
		})

		It("of which there is no previous one before the first change", func(ctx SpecContext) {
			_, err := r.Version(ctx, "previous")
			Expect(providers.ReasonOf(err)).To(Equal("ArchiveEmpty"))
		})

		It("that are found with few reads in a long archive, and whatever the clocks of writers say", func(ctx SpecContext) {
			edit(ctx, add("web"))
			for n := range 60 {
				w.Clock.Jump([]time.Duration{0, 40 * time.Second, -41 * time.Second}[n%3])
				edit(ctx, release(n))
			}
			few := &counting{Objects: w.Store()}
			r = over(few, w)
			Expect(generation(ctx, "20")).To(BeEquivalentTo(20))
			Expect(few.reads.Load()).To(BeNumerically("<", 40))
			for g := int64(1); g <= 62; g++ {
				Expect(generation(ctx, fmt.Sprint(g))).To(Equal(g))
			}
			Expect(generation(ctx, "previous")).To(BeEquivalentTo(61))
		})

		It("that mean the lineage in force, where there was another one", func(ctx SpecContext) {
			edit(ctx, add("old"))
			edit(ctx, add("older"))
			Expect(w.Store().Delete(ctx, manifest.Key)).To(Succeed())
			w.Clock.Advance(time.Second)
			anew := by
			anew.NewLineage = true
			_, err := r.Init(ctx, anew)
			Expect(err).NotTo(HaveOccurred())
			edit(ctx, add("web"))
			edit(ctx, release(1))
			v, err := r.Version(ctx, "2")
			Expect(err).NotTo(HaveOccurred())
			Expect(names(v.Manifest)).To(Equal([]string{"web"}))
			entries, err := r.History(ctx, manifest.HistoryOptions{})
			Expect(err).NotTo(HaveOccurred())
			var said []int64
			for _, e := range entries {
				said = append(said, e.Generation)
			}
			Expect(said).To(Equal([]int64{3, 2, 1, 2, 1}), "the third of the old lineage was lost before it was archived")
		})

		It("also when the manifest in force is lost or damaged", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(1))
			Expect(w.Store().Delete(ctx, manifest.Key)).To(Succeed())
			Expect(generation(ctx, "previous")).To(BeEquivalentTo(2))
			Expect(generation(ctx, "1")).To(BeEquivalentTo(1))
			put(ctx, w, manifest.Key, "{")
			Expect(generation(ctx, "previous")).To(BeEquivalentTo(2))
		})
	})

	Describe("have a history", func() {
		history := func(ctx context.Context, o manifest.HistoryOptions) []manifest.Entry {
			GinkgoHelper()
			entries, err := r.History(ctx, o)
			Expect(err).NotTo(HaveOccurred())
			return entries
		}
		lines := func(entries []manifest.Entry) []string {
			out := []string{}
			for _, e := range entries {
				line := fmt.Sprintf("%d %s:", e.Generation, e.Message)
				for _, c := range e.Changes {
					line += " " + c.Service + " " + c.Summary
				}
				out = append(out, line)
			}
			return out
		}

		It("newest first, with who, why and what changed", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(1))
			edit(ctx, add("api"))
			archived := edit(ctx, remove("api")).Archive
			entries := history(ctx, manifest.HistoryOptions{})
			Expect(lines(entries)).To(Equal([]string{
				"5 remove api: api removed",
				"4 add api: api added on biz",
				"3 update web to 0123456…-web-1.1: web release 0123456…-web-1 → 0123456…-web-1.1",
				"2 add web: web added on biz",
				"1 because:",
			}))
			Expect(entries[0].InForce).To(BeTrue())
			Expect(entries[0].By).To(Equal("ann@laptop"))
			Expect(entries[1].Archive).To(Equal(archived))
			Expect(entries[1].At).To(Equal(w.Clock.Now().Add(-time.Second)))
			Expect(lines(history(ctx, manifest.HistoryOptions{Limit: 2}))).To(HaveLen(2))
		})

		It("of one service, with its release then", func(ctx SpecContext) {
			edit(ctx, add("web"))
			for n := range 40 {
				edit(ctx, add(serviceName("s", n)))
			}
			edit(ctx, alter(func(s *v1.Service) { manifest.SetRelease(s, pathTwo, "v2") }))
			edit(ctx, remove("web"))
			entries := history(ctx, manifest.HistoryOptions{Service: "web"})
			Expect(lines(entries)).To(Equal([]string{
				"44 remove web: web removed",
				"43 update web to v2: web release 0123456…-web-1 → v2",
				"2 add web: web added on biz",
			}))
			Expect(entries[0].Release).To(BeNil())
			Expect(entries[1].Release.Commit).To(Equal("v2"))
			Expect(entries[1].Release.StorePath).To(Equal(pathTwo))
			Expect(entries[2].Release.StorePath).To(Equal(pathOne))
			Expect(entries[2].Release.Revision).To(HaveLen(12))
			few := &counting{Objects: w.Store()}
			r = over(few, w)
			Expect(lines(history(ctx, manifest.HistoryOptions{Service: "web", Limit: 1}))).To(HaveLen(1))
			Expect(few.reads.Load()).To(BeNumerically("<", 25))
			Expect(lines(history(ctx, manifest.HistoryOptions{Service: "web", Limit: 3}))).To(HaveLen(3))
		})

		It("in the order of the generations, whatever the clocks of writers say", func(ctx SpecContext) {
			edit(ctx, add("web"))
			for n := range 30 {
				w.Clock.Jump([]time.Duration{0, 40 * time.Second, -41 * time.Second}[n%3])
				edit(ctx, release(n))
			}
			for _, limit := range []int{0, 5} {
				entries := history(ctx, manifest.HistoryOptions{Limit: limit})
				for i, e := range entries {
					Expect(e.Generation).To(BeEquivalentTo(32 - i))
					Expect(e.Since).To(BeZero())
					if e.Generation > 1 {
						Expect(e.Changes).To(HaveLen(1))
					}
				}
			}
		})

		It("that tells of gaps, of damage, and of what nobody knows any more", func(ctx SpecContext) {
			edit(ctx, add("web"))                  // archives 1
			first := edit(ctx, release(1)).Archive // archives 2
			gap := edit(ctx, add("api")).Archive   // archives 3
			broken := edit(ctx, add("db")).Archive // archives 4
			edit(ctx, add("mq"))                   // archives 5
			put(ctx, w, "manifests/"+broken, "{")
			for _, name := range []string{gap, first} {
				Expect(w.Store().Delete(ctx, "manifests/"+name)).To(Succeed())
			}
			r = over(w.Store(), w)
			entries := history(ctx, manifest.HistoryOptions{})
			Expect(entries).To(HaveLen(4))
			Expect(entries[0].Generation).To(BeEquivalentTo(6))
			Expect(entries[1].Generation).To(BeEquivalentTo(5))
			Expect(entries[1].Since).To(BeEquivalentTo(1))
			Expect(entries[2].Problem).To(ContainSubstring("is not a usable manifest"))
			Expect(entries[3].Unknown).To(BeFalse())
			archives, err := r.Archives(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(w.Store().Delete(ctx, "manifests/"+archives[len(archives)-1])).To(Succeed())
			r = over(w.Store(), w)
			entries = history(ctx, manifest.HistoryOptions{})
			Expect(entries[1].Generation).To(BeEquivalentTo(5))
			Expect(entries[1].Unknown).To(BeTrue())
			Expect(entries[1].Changes).To(BeEmpty())
			Expect(history(ctx, manifest.HistoryOptions{Service: "web"})).To(HaveLen(1), "that it was there is known")
		})

		It("also when the manifest in force is lost or damaged, and none when there never was one", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(1))
			put(ctx, w, manifest.Key, "{")
			Expect(history(ctx, manifest.HistoryOptions{})[0].Problem).NotTo(BeEmpty())
			Expect(w.Store().Delete(ctx, manifest.Key)).To(Succeed())
			Expect(history(ctx, manifest.HistoryOptions{})).To(HaveLen(2))
			_, err := over(fake.New().Store(), w).History(ctx, manifest.HistoryOptions{})
			Expect(err).To(MatchError(ContainSubstring("deploy-manifest init")))
		})

		It("and no part of it when the store gives no answer", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(1))
			w.Fail("objects.Get manifests/manifest-20260101T120000Z.json", providers.ErrUnavailable)
			_, err := r.History(ctx, manifest.HistoryOptions{})
			Expect(err).To(MatchError(providers.ErrUnavailable))
		})

		It("of 500 versions within a second at 20 ms each, with bounded readers, and from memory after that", func(ctx SpecContext) {
			edit(ctx, add("web"))
			long(ctx, w, 500)
			slow := &counting{Objects: w.Store(), takes: 20 * time.Millisecond}
			r = over(slow, w)
			began := time.Now()
			Expect(history(ctx, manifest.HistoryOptions{})).To(HaveLen(502))
			took := time.Since(began)
			GinkgoWriter.Printf("history of 502 versions took %v\n", took)
			Expect(slow.most.Load()).To(BeNumerically("<=", 16))
			Expect(took).To(BeNumerically("<", 10*time.Second), "ten times the promise")
			reads := slow.reads.Load()
			history(ctx, manifest.HistoryOptions{})
			Expect(slow.reads.Load()).To(Equal(reads+1), "only the one in force may have changed")
		})
	})
})

// long continues the manifest by n generations, as so many edits would, without the time
// that those take.
func long(ctx context.Context, w *fake.World, n int) {
	GinkgoHelper()
	now, err := v1.Decode([]byte(content(ctx, w, manifest.Key)))
	Expect(err).NotTo(HaveOccurred())
	for i := range n {
		before := now.Clone()
		put(ctx, w, "manifests/manifest-"+before.UpdatedAt.Format("20060102T150405Z")+".json", encoded(before))
		now.Generation, now.Previous, now.UpdatedAt = before.Generation+1, before.Hash(), before.UpdatedAt.Add(time.Second)
		manifest.SetRelease(now.Service("web"), fmt.Sprintf("%s.%d", pathOne, i), "")
	}
	put(ctx, w, manifest.Key, encoded(now))
}

func encoded(m *v1.Manifest) string {
	GinkgoHelper()
	data, err := v1.Encode(m)
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}
