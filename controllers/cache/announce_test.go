package cache_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/controllers/cache"
	"deployer/providers"
)

var _ = Describe("an announcement", func() {
	var (
		b        *box
		web, old = pathOf("web"), pathOf("old")
	)
	BeforeEach(func(ctx SpecContext) {
		b = newBox()
		b.upload(ctx, web)
		b.upload(ctx, old)
		b.names(web)
	})
	announce := func(ctx context.Context, waiting func(string)) *cache.Announcement {
		GinkgoHelper()
		a, err := cache.Announce(ctx, cache.AnnounceOptions{
			Objects: b.store, By: "bob@laptop", What: "pushing old", Now: b.w.Clock.Now, Poll: time.Millisecond, Waiting: waiting,
		})
		Expect(err).NotTo(HaveOccurred())
		return a
	}
	claims := func(ctx context.Context) []providers.ObjectInfo {
		GinkgoHelper()
		list, err := b.store.List(ctx, "gc/claims/")
		Expect(err).NotTo(HaveOccurred())
		return list
	}

	It("keeps a collection from deleting, and not from listing", func(ctx SpecContext) {
		b.w.Clock.Advance(time.Minute)
		b.collect(ctx)
		b.w.Clock.Advance(day)
		a := announce(ctx, nil)
		r := b.collect(ctx)
		Expect(r.Deleted).To(BeEmpty())
		Expect(r.Waiting).To(HaveLen(2))
		Expect(r.Postponed).To(MatchRegexp(`^the cache is in use by bob@laptop \(pushing old, since \d\d:\d\d:\d\dZ\)$`))
		Expect(a.Valid()).To(Succeed())
		a.Done(ctx)
		Expect(claims(ctx)).To(BeEmpty())
		Expect(b.collect(ctx).Deleted).To(HaveLen(2))
	})

	It("postpones nothing where nothing was due", func(ctx SpecContext) {
		a := announce(ctx, nil)
		Expect(b.collect(ctx).Postponed).To(BeEmpty())
		a.Done(ctx)
	})

	It("waits for the end of a collection, and says so once", func(ctx SpecContext) {
		b.w.Clock.Advance(time.Minute)
		b.collect(ctx)
		b.w.Clock.Advance(day)
		began, goOn := make(chan struct{}), make(chan struct{})
		b.w.AfterCall = func(call string) {
			if call == "objects.Delete "+keyOf(old) {
				close(began)
				<-goOn
			}
		}
		go func() {
			defer GinkgoRecover()
			Expect(b.collect(ctx).Deleted).To(HaveLen(2))
		}()
		<-began
		said := make(chan string, 100)
		got := make(chan *cache.Announcement)
		go func() {
			defer GinkgoRecover()
			got <- announce(ctx, func(m string) { said <- m })
		}()
		Eventually(said).Should(Receive(HavePrefix("waiting for the end of a collection of the cache by ann@laptop (collecting, since ")))
		Consistently(got, "50ms").ShouldNot(Receive())
		close(goOn)
		var a *cache.Announcement
		Eventually(got).Should(Receive(&a))
		Expect(said).To(BeEmpty())
		a.Done(ctx)
	}, NodeTimeout(time.Minute))

	It("gives up waiting when it is interrupted, and leaves nothing behind", func(ctx SpecContext) {
		Expect(b.write(ctx, "gc/claims/collect-x.json", "{}")).To(Succeed())
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		_, err := cache.Announce(short, cache.AnnounceOptions{Objects: b.store, Now: b.w.Clock.Now, Poll: time.Millisecond})
		Expect(err).To(MatchError(context.DeadlineExceeded))
		Expect(claims(ctx)).To(HaveLen(1))
	})

	It("of somebody who died stops nobody for long, nor does a collection that died", func(ctx SpecContext) {
		b.w.Clock.Advance(time.Minute)
		b.collect(ctx)
		b.w.Clock.Advance(day)
		Expect(b.write(ctx, "gc/claims/push-dead.json", `{"by":"eve@laptop","what":"pushing x"}`)).To(Succeed())
		b.w.Clock.Advance(9 * time.Minute)
		Expect(b.collect(ctx).Postponed).To(ContainSubstring("eve@laptop"))
		b.w.Clock.Advance(2 * time.Minute)
		Expect(b.collect(ctx).Deleted).To(HaveLen(2))
		Expect(claims(ctx)).To(BeEmpty())
		Expect(b.write(ctx, "gc/claims/collect-dead.json", "<html>")).To(Succeed())
		_, err := cache.Collect(ctx, b.options())
		Expect(providers.ReasonOf(err)).To(Equal("CollectionRunning"))
		b.w.Clock.Advance(11 * time.Minute)
		announce(ctx, nil).Done(ctx)
		Expect(claims(ctx)).To(BeEmpty())
	})

	It("lapses while its machine sleeps, and a collection does, too (F26)", func(ctx SpecContext) {
		a := announce(ctx, nil)
		b.w.Clock.Advance(6 * time.Minute)
		Expect(providers.ReasonOf(a.Valid())).To(Equal("ClaimLapsed"))
		a.Done(ctx)
		b.w.Clock.Advance(time.Minute)
		b.collect(ctx)
		b.w.Clock.Advance(day)
		before := b.cached(ctx)
		b.w.AfterCall = func(call string) {
			if call == "objects.Put gc/candidates.json" {
				b.w.Clock.Advance(time.Hour)
			}
		}
		_, err := cache.Collect(ctx, b.options())
		Expect(providers.ReasonOf(err)).To(Equal("ClaimLapsed"))
		b.w.AfterCall = nil
		Expect(b.cached(ctx)).To(Equal(before))
	})

	It("is no announcement when the store does not take it", func(ctx SpecContext) {
		b.w.Fail("objects.Put", providers.ErrUnavailable)
		_, err := cache.Announce(ctx, cache.AnnounceOptions{Objects: b.store})
		Expect(err).To(MatchError(providers.ErrUnavailable))
		b.w.Heal("")
		b.w.FailNext("objects.List", providers.ErrUnavailable)
		_, err = cache.Announce(ctx, cache.AnnounceOptions{Objects: b.store})
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(claims(ctx)).To(BeEmpty())
	})

	It("leaves one collection at most to delete, of two at once", func(ctx SpecContext) {
		b.w.Clock.Advance(time.Minute)
		b.collect(ctx)
		b.w.Clock.Advance(day)
		var inner error
		b.w.AfterCall = func(call string) {
			if call == "objects.Put gc/candidates.json" {
				b.w.AfterCall = nil
				_, inner = cache.Collect(ctx, b.options())
			}
		}
		Expect(b.collect(ctx).Deleted).To(HaveLen(2))
		Expect(providers.ReasonOf(inner)).To(Equal("CollectionRunning"))
		Expect(inner).To(MatchError(ContainSubstring("another collection is at work, by ann@laptop")))
	})
})
