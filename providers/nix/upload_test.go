package nix_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/providers/nix"
)

// stopping is a store whose writes from the n-th on never arrive, as if the process was
// killed there. The n-th itself arrives, and its answer does not, when late is set.
type stopping struct {
	providers.Objects
	n    int
	late bool

	mu   sync.Mutex
	puts []string
}

var errStopped = errors.New("the process was stopped")

func (s *stopping) Put(ctx context.Context, key string, body io.ReadSeeker, o providers.PutOptions) (providers.ObjectInfo, error) {
	s.mu.Lock()
	s.puts = append(s.puts, key)
	now := len(s.puts)
	s.mu.Unlock()
	if now < s.n || now == s.n && s.late {
		info, err := s.Objects.Put(ctx, key, body, o)
		if now == s.n {
			return info, errStopped
		}
		return info, err
	}
	return providers.ObjectInfo{}, errStopped
}

func (s *stopping) nars() (n int) {
	for _, key := range s.puts {
		if strings.HasPrefix(key, "nar/") {
			n++
		}
	}
	return n
}

var _ = Describe("An upload", func() {
	var (
		mine  *workstation
		world *fake.World
		root  = storePathOf(100, "root")
	)
	const paths = 13
	// Twelve paths under a root, each needing some of those before it; every third is large
	// enough to be asked for before it is sent again.
	BeforeEach(func() {
		mine, world = newWorkstation(), fake.New()
		world.Quiet = true
		random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // any will do
		var all []string
		for i := range paths - 1 {
			path := storePathOf(i+1, fmt.Sprintf("dep%d", i))
			var refs []string
			for _, other := range all {
				if random.IntN(4) == 0 {
					refs = append(refs, other)
				}
			}
			size := 100
			if i%3 == 0 {
				size = 300 << 10
			}
			content := make([]byte, size)
			for j := range content {
				content[j] = byte(random.Uint32())
			}
			mine.add(path, string(content), append(refs, path)...)
			all = append(all, path)
		}
		mine.add(root, "root", all...)
	})
	publish := func(ctx context.Context, p *nix.Publisher) (providers.Published, error) {
		return p.Publish(ctx, providers.PublishRequest{StorePath: root})
	}

	It("can be stopped at any write: what has a narinfo can be pulled, and the next push sends only the rest", func(ctx SpecContext) {
		writes := 2*paths + 1 // each path's NAR and narinfo, and the cache's own
		for n := 1; n <= writes; n += 3 {
			for _, late := range []bool{false, true} {
				store := fake.New().Store()
				first := &stopping{Objects: store, n: n, late: late}
				_, err := publish(ctx, mine.publisherOf("ours-1", first))
				Expect(err).To(MatchError(errStopped), "n=%d", n)
				expectPullable(store)

				before := contentOf(store)
				second := &stopping{Objects: store, n: 1000}
				done, err := publish(ctx, mine.publisherOf("ours-1", second))
				Expect(err).NotTo(HaveOccurred())
				Expect(done.Paths).To(Equal(paths))
				expectPullable(store)
				for _, key := range second.puts {
					large := len(before[key]) >= 256<<10
					Expect(large && before[key] != "").To(BeFalse(), "%s was there and was sent again", key)
					Expect(strings.HasSuffix(key, ".narinfo") && before[key] != "").To(BeFalse(), "%s was there and was written again", key)
				}
			}
		}
	})

	It("sends nothing when the cache has all", func(ctx SpecContext) {
		store := &stopping{Objects: world.Store(), n: 1000}
		publisher := mine.publisherOf("ours-1", store)
		_, err := publish(ctx, publisher)
		Expect(err).NotTo(HaveOccurred())
		Expect(store.nars()).To(Equal(paths))
		expectPullable(store, publisher.PublicKey())
		sent := len(store.puts)
		done, err := publish(ctx, publisher)
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Uploaded).To(BeZero())
		Expect(done.Paths).To(Equal(paths))
		Expect(store.puts).To(HaveLen(sent))
	})

	It("tells how far it is, never backwards, up to all of it", func(ctx SpecContext) {
		publisher := mine.publisherOf("ours-1", world.Store())
		plan, err := publisher.Plan(ctx, root)
		Expect(err).NotTo(HaveOccurred())
		Expect(plan.Paths).To(Equal(paths))
		Expect(plan.Upload).To(HaveLen(paths))
		Expect(plan.Upload[paths-1].StorePath).To(Equal(root), "references come first")
		Expect(contentOf(world.Store())).To(BeEmpty(), "a plan changes nothing")
		var told []providers.PublishProgress
		done, err := publisher.Publish(ctx, providers.PublishRequest{StorePath: root, Watch: func(p providers.PublishProgress) { told = append(told, p) }})
		Expect(err).NotTo(HaveOccurred())
		Expect(slices.IsSortedFunc(told, func(a, b providers.PublishProgress) int { return int(a.SizeDone - b.SizeDone) })).To(BeTrue())
		Expect(told[len(told)-1]).To(Equal(providers.PublishProgress{
			Paths: paths, PathsDone: paths, Size: plan.Size, SizeDone: plan.Size, Sent: done.Uploaded,
		}))
		Expect(done.Size).To(Equal(plan.Size))
		plan, err = publisher.Plan(ctx, root)
		Expect(err).NotTo(HaveOccurred())
		Expect(plan.Upload).To(BeEmpty())
	})

	It("may run twice at once, with two keys: both sign everything, and all can be pulled", func(ctx SpecContext) {
		for range 10 {
			store := fake.New().Store()
			publishers := []*nix.Publisher{mine.publisherOf("ours-1", store), mine.publisherOf("theirs-1", store)}
			var wait sync.WaitGroup
			errs := make([]error, len(publishers))
			for i, p := range publishers {
				wait.Go(func() { _, errs[i] = publish(ctx, p) })
			}
			wait.Wait()
			Expect(errors.Join(errs...)).NotTo(HaveOccurred())
			expectPullable(store, publishers[0].PublicKey(), publishers[1].PublicKey())
		}
	})

	It("survives a store that loses answers to a narinfo's write", func(ctx SpecContext) {
		store := world.Store()
		publisher := mine.publisherOf("ours-1", store)
		world.LoseAnswer("objects.Put "+narinfoKey(root), providers.ErrUnavailable)
		world.FailNext("objects.Put "+narinfoKey(storePathOf(5, "dep4")), providers.ErrUnavailable)
		_, err := publish(ctx, publisher)
		Expect(err).NotTo(HaveOccurred())
		expectPullable(store, publisher.PublicKey())
	})

	It("writes without conditions where the store knows none", func(ctx SpecContext) {
		store := &unconditional{Objects: world.Store()}
		publisher := mine.publisherOf("ours-1", store, func(o *nix.PublisherOptions) {
			o.Conditional = func(context.Context) (bool, error) { return false, nil }
		})
		_, err := publish(ctx, publisher)
		Expect(err).NotTo(HaveOccurred())
		expectPullable(store, publisher.PublicKey())
	})

	It("stops soon when it is cancelled, and says why", func(ctx SpecContext) {
		cancelled, cancel := context.WithCancel(ctx)
		store := world.Store()
		publisher := mine.publisherOf("ours-1", store)
		_, err := publisher.Publish(cancelled, providers.PublishRequest{StorePath: root, Watch: func(providers.PublishProgress) { cancel() }})
		Expect(err).To(MatchError(context.Canceled))
		expectPullable(store)
	})
})

// unconditional refuses conditional writes.
type unconditional struct{ providers.Objects }

func (u *unconditional) Put(ctx context.Context, key string, body io.ReadSeeker, o providers.PutOptions) (providers.ObjectInfo, error) {
	if o.IfAbsent || o.IfMatch != "" {
		return providers.ObjectInfo{}, errors.ErrUnsupported
	}
	return u.Objects.Put(ctx, key, body, o)
}
