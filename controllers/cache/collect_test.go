package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/cache"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("a collection of the cache", func() {
	var (
		b                    *box
		web, old, lib, glibc = pathOf("web"), pathOf("old"), pathOf("lib"), pathOf("glibc")
	)
	// web and old need lib, which needs glibc; old is wanted by nobody.
	BeforeEach(func(ctx SpecContext) {
		b = newBox()
		b.upload(ctx, glibc)
		b.upload(ctx, lib, glibc)
		b.upload(ctx, web, lib)
		b.upload(ctx, old, lib, glibc)
		Expect(b.write(ctx, "nix-cache-info", "StoreDir: /nix/store\n")).To(Succeed())
		Expect(b.write(ctx, "manifest.json", "{}")).To(Succeed())
		b.names(web)
	})

	It("lists first what nothing needs, and deletes it a grace period later", func(ctx SpecContext) {
		b.w.Clock.Advance(time.Minute)
		first := b.collect(ctx)
		Expect(first.Deleted).To(BeEmpty())
		Expect(first.Waiting).To(HaveLen(2))
		Expect(first.NextAt).To(Equal(b.w.Clock.Now().Add(day)))
		b.w.Clock.Advance(day - time.Second)
		Expect(b.collect(ctx).Deleted).To(BeEmpty())
		b.w.Clock.Advance(time.Second)
		last := b.collect(ctx)
		Expect(last.Waiting).To(BeEmpty())
		Expect(last.Deleted).To(HaveLen(2))
		Expect(last.Deleted[0].Bytes).NotTo(BeZero())
		Expect(last.KeptPaths).To(Equal(3))
		Expect(b.cached(ctx)).To(Equal(keysOf(web, lib, glibc)))
		for _, other := range []string{"nix-cache-info", "manifest.json"} {
			Expect(b.read(ctx, other)).NotTo(BeEmpty())
		}
		Expect(b.collect(ctx).Deleted).To(BeEmpty())
	})

	It("writes nothing in a dry run, and tells what would be deleted", func(ctx SpecContext) {
		b.w.Clock.Advance(time.Minute)
		b.collect(ctx)
		b.w.Clock.Advance(day)
		before, err := b.store.List(ctx, "")
		Expect(err).NotTo(HaveOccurred())
		o := b.options()
		o.DryRun = true
		r, err := cache.Collect(ctx, o)
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Deleted).To(HaveLen(2))
		Expect(b.store.List(ctx, "")).To(Equal(before))
	})

	It("keeps what a path still needs that is no candidate for long enough", func(ctx SpecContext) {
		b.kept = nil
		b.names(pathOf("other"))
		b.upload(ctx, pathOf("other"))
		b.w.Clock.Advance(time.Minute)
		b.collect(ctx) // web, old, lib and glibc are candidates
		b.w.Clock.Advance(day - time.Minute)
		fresh := pathOf("fresh")
		b.upload(ctx, fresh, lib) // whoever does that has a day for the manifest
		b.w.Clock.Advance(time.Minute)
		r := b.collect(ctx)
		Expect(b.cached(ctx)).To(Equal(keysOf(fresh, lib, glibc, pathOf("other"))))
		Expect(r.KeptPaths).To(Equal(1))
		Expect(r.Waiting).To(HaveLen(6))
		b.w.Clock.Advance(day + time.Minute)
		b.collect(ctx)
		Expect(b.cached(ctx)).To(Equal(keysOf(pathOf("other"))), "nobody wanted it")
	})

	It("begins the grace period anew for what was uploaded again, or needed meanwhile", func(ctx SpecContext) {
		b.w.Clock.Advance(time.Minute)
		b.collect(ctx)
		b.w.Clock.Advance(day / 2)
		b.upload(ctx, old, lib, glibc)
		b.w.Clock.Advance(day / 2)
		Expect(b.collect(ctx).Deleted).To(BeEmpty())
		b.w.Clock.Advance(day / 2)
		b.names(old)
		Expect(b.collect(ctx).Waiting).To(BeEmpty())
		b.kept = b.kept[:1]
		b.w.Clock.Advance(day)
		Expect(b.collect(ctx).Deleted).To(BeEmpty())
		b.w.Clock.Advance(day)
		Expect(b.collect(ctx).Deleted).To(HaveLen(2))
	})

	It("keeps a content that another path shares", func(ctx SpecContext) {
		twin := pathOf("twin")
		Expect(b.send(ctx, twin, narOf(old), nil)).To(Succeed())
		b.names(twin)
		b.twice(ctx)
		Expect(b.cached(ctx)).To(ContainElements(keyOf(twin), narOf(old)))
		Expect(b.cached(ctx)).NotTo(ContainElement(keyOf(old)))
		Expect(b.lacks(ctx, twin)).To(BeEmpty())
	})

	It("deletes a content that no entry names, as a push that was killed leaves it", func(ctx SpecContext) {
		Expect(b.write(ctx, "nar/orphan.nar.zst", "x")).To(Succeed())
		r := b.twice(ctx)
		Expect(r.Deleted).To(HaveLen(3))
		Expect(b.cached(ctx)).NotTo(ContainElement("nar/orphan.nar.zst"))
	})

	It("deletes nothing outside of the cache, whatever an entry says", func(ctx SpecContext) {
		evil := pathOf("evil")
		Expect(b.write(ctx, keyOf(evil), narinfo(evil, "manifest.json", nil))).To(Succeed())
		Expect(b.write(ctx, "log/x.narinfo", "x")).To(Succeed())
		b.twice(ctx)
		Expect(b.read(ctx, "manifest.json")).NotTo(BeEmpty())
		Expect(b.read(ctx, "log/x.narinfo")).NotTo(BeEmpty())
		Expect(b.cached(ctx)).NotTo(ContainElement(keyOf(evil)))
	})

	It("deletes a damaged entry that nothing needs, and does nothing when something needs it", func(ctx SpecContext) {
		Expect(b.write(ctx, keyOf(old), "<html>")).To(Succeed())
		b.twice(ctx)
		Expect(b.cached(ctx)).To(Equal(keysOf(web, lib, glibc)))
		Expect(b.write(ctx, keyOf(lib), "<html>")).To(Succeed())
		before := b.cached(ctx)
		b.w.Clock.Advance(2 * day)
		_, err := cache.Collect(ctx, b.options())
		Expect(providers.ReasonOf(err)).To(Equal("CacheDamaged"))
		Expect(err).To(MatchError(ContainSubstring(keyOf(lib) + " is no narinfo")))
		Expect(b.cached(ctx)).To(Equal(before))
	})

	It("tells what the cache has not that is needed", func(ctx SpecContext) {
		Expect(b.store.Delete(ctx, keyOf(glibc))).To(Succeed())
		b.names(pathOf("elsewhere"))
		Expect(b.collect(ctx).Missing).To(ConsistOf(keyOf(glibc), keyOf(pathOf("elsewhere"))))
	})

	It("does nothing when nobody names any release", func(ctx SpecContext) {
		b.kept = nil
		b.names()
		b.names("/nix/store/placeholder")
		_, err := cache.Collect(ctx, b.options())
		Expect(providers.ReasonOf(err)).To(Equal("NothingKept"))
		Expect(newBox().collect(ctx).Deleted).To(BeEmpty(), "an empty cache has nothing to lose")
	})

	It("does nothing when the manifests are not known", func(ctx SpecContext) {
		o := b.options()
		o.Kept = func(context.Context, time.Time) ([]*v1.Manifest, error) { return nil, errors.New("no word") }
		_, err := cache.Collect(ctx, o)
		Expect(err).To(MatchError("no word"))
	})

	It("takes a list of candidates that is damaged or of a later version for none", func(ctx SpecContext) {
		for _, damage := range []string{"{", `{"version":2,"candidates":[]}`, ""} {
			b.w.Clock.Advance(time.Minute)
			b.collect(ctx)
			b.w.Clock.Advance(day)
			Expect(b.write(ctx, "gc/candidates.json", damage)).To(Succeed())
			Expect(b.collect(ctx).Deleted).To(BeEmpty())
		}
	})

	DescribeTable("changes nothing when the store gives no answer", func(ctx SpecContext, call string) {
		b.report(ctx, "biz")
		b.w.Clock.Advance(time.Minute)
		b.collect(ctx)
		b.w.Clock.Advance(day)
		before := b.cached(ctx)
		b.w.Fail(call, providers.ErrUnavailable)
		_, err := cache.Collect(ctx, b.options())
		Expect(err).To(MatchError(providers.ErrUnavailable))
		b.w.Heal("")
		Expect(b.cached(ctx)).To(Equal(before))
		Expect(b.collect(ctx).Deleted).To(HaveLen(2), "it goes on when the store does")
	},
		Entry(nil, "objects.List"),
		Entry(nil, "objects.List status/"),
		Entry(nil, "objects.Get status/biz.json"),
		Entry(nil, "objects.Get "+keyOf(pathOf("old"))),
		Entry(nil, "objects.Get "+keyOf(pathOf("glibc"))),
		Entry(nil, "objects.Get gc/candidates.json"),
		Entry(nil, "objects.Put gc/candidates.json"),
		Entry(nil, "objects.Delete "+keyOf(pathOf("old"))),
	)

	It("deletes from what refers to what is referred to, entries before contents", func(ctx SpecContext) {
		b.kept = nil
		b.names(pathOf("other"))
		b.upload(ctx, pathOf("other"))
		b.w.Clock.Advance(time.Minute)
		b.collect(ctx)
		b.w.Clock.Advance(day)
		var mu sync.Mutex
		var gone []string
		b.w.AfterCall = func(call string) {
			var key string
			if _, err := fmt.Sscanf(call, "objects.Delete %s", &key); err == nil {
				mu.Lock()
				defer mu.Unlock()
				gone = append(gone, key)
			}
		}
		b.collect(ctx)
		b.w.AfterCall = nil
		place := map[string]int{}
		for i, key := range gone {
			place[key] = i
		}
		Expect(place[keyOf(lib)]).To(BeNumerically(">", max(place[keyOf(web)], place[keyOf(old)])))
		Expect(place[keyOf(glibc)]).To(BeNumerically(">", place[keyOf(lib)]))
		Expect(place[narOf(old)]).To(BeNumerically(">", place[keyOf(glibc)]))
	})

	It("leaves every entry with all that it needs, wherever it is killed, and the next one ends the work", func(ctx SpecContext) {
		for _, after := range []bool{false, true} {
			for n := int64(1); ; n++ {
				b = newBox()
				b.upload(ctx, glibc)
				b.upload(ctx, lib, glibc)
				b.upload(ctx, web, lib)
				b.upload(ctx, old, lib, glibc)
				b.upload(ctx, pathOf("older"), old)
				b.names(web)
				b.w.Clock.Advance(time.Minute)
				b.collect(ctx)
				b.w.Clock.Advance(day)
				d := &dying{Objects: b.store, after: after}
				d.left.Store(n)
				o := b.options()
				o.Objects, o.Index = d, fake.CacheIndex(d)
				_, err := cache.Collect(ctx, o)
				Expect(err == nil || errors.Is(err, errKilled)).To(BeTrue(), "call %d: %v", n, err)
				for _, key := range b.cached(ctx) {
					for _, p := range []string{web, old, lib, glibc, pathOf("older")} {
						if key == keyOf(p) {
							Expect(b.lacks(ctx, p)).To(BeEmpty(), "call %d", n)
						}
					}
				}
				b.w.Clock.Advance(time.Hour)
				b.collect(ctx)
				Expect(b.cached(ctx)).To(Equal(keysOf(web, lib, glibc)), "call %d", n)
				left, err := b.store.List(ctx, "gc/claims/")
				Expect(err).NotTo(HaveOccurred())
				Expect(left).To(BeEmpty())
				if d.left.Load() > 0 {
					break
				}
				Expect(n).To(BeNumerically("<", 100))
			}
		}
	})

	Describe("asks the hosts what they have in use", func() {
		It("and keeps what serves, what is wanted, and the good releases", func(ctx SpecContext) {
			wanted, serving, message, good, bad := pathOf("wanted"), pathOf("serving"), pathOf("message"), pathOf("good"), pathOf("bad")
			for _, p := range []string{wanted, serving, message, good, bad} {
				b.upload(ctx, p)
			}
			b.report(ctx, "biz", v1.ServiceState{
				Name: "web", Desired: v1.Target{StorePath: wanted}, Serving: v1.Target{StorePath: serving, Revision: "1aaa"},
				Message: "went back from " + message + "/bin/web.",
				Verdicts: []v1.Verdict{
					{Instance: "1good-none", Result: v1.VerdictSoaked}, {Instance: "1bad-none", Result: v1.VerdictBad},
				},
				Slots: map[v1.Slot]v1.SlotState{v1.Primary: {Instance: "1gone-none"}},
			})
			b.report(ctx, "second")
			b.w.Clock.Advance(time.Minute)
			o := b.options()
			o.Releases = func(context.Context) (map[string]string, error) {
				return map[string]string{"1good": good, "1bad": bad}, nil
			}
			_, err := cache.Collect(ctx, o)
			Expect(err).NotTo(HaveOccurred())
			b.w.Clock.Advance(day)
			r, err := cache.Collect(ctx, o)
			Expect(err).NotTo(HaveOccurred())
			Expect(r.Hosts).To(Equal([]string{"biz", "second"}))
			Expect(b.cached(ctx)).To(Equal(keysOf(web, lib, glibc, wanted, serving, message, good)))
		})

		DescribeTable("and does nothing while a report cannot be read, unless told to ignore it",
			func(ctx SpecContext, content string) {
				Expect(b.write(ctx, "status/biz.json", content)).To(Succeed())
				b.w.Clock.Advance(time.Minute)
				_, err := cache.Collect(ctx, b.options())
				Expect(providers.ReasonOf(err)).To(Equal("ReportUnreadable"))
				Expect(err).To(MatchError(ContainSubstring("--ignore-report biz")))
				Expect(b.store.Stat(ctx, keyOf(old))).NotTo(BeZero())
				o := b.options()
				o.IgnoreReports = []string{"biz"}
				r, err := cache.Collect(ctx, o)
				Expect(err).NotTo(HaveOccurred())
				Expect(r.Hosts).To(BeEmpty())
			},
			Entry("not JSON", "<html>"),
			Entry("empty", ""),
			Entry("cut short", `{"apiVersion":"deployer/v1","kind":"HostState","host":"biz","services":[{"name"`),
			Entry("another kind", `{"apiVersion":"deployer/v1","kind":"Event"}`),
			Entry("another version", `{"apiVersion":"deployer/v2","kind":"HostState","host":"biz"}`),
			Entry("another host's", `{"apiVersion":"deployer/v1","kind":"HostState","host":"second"}`),
		)

		It("and takes nothing else below status/ for a report", func(ctx SpecContext) {
			Expect(b.write(ctx, "status/README", "x")).To(Succeed())
			Expect(b.write(ctx, "status/old/biz.json", "x")).To(Succeed())
			Expect(b.collect(ctx).Hosts).To(BeEmpty())
		})
	})
})
