package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/cache"
	"deployer/providers"
	"deployer/providers/fake"
)

// keepNewest is the bound of every collection in the town.
const keepNewest = 3

// town is a store with people who push, roll back and collect at the same time.
type town struct {
	*box
	draw *rand.Rand

	mu sync.Mutex
	// refs are what each path needs, whether it is in the cache or not.
	refs map[string][]string
	// paths in the order in which they were made, and releases among them.
	paths, releases []string
	// written are the manifests, the one in force last.
	written []*v1.Manifest
	// wrong is what nobody may ever see.
	wrong []string

	deleted, pushed, rolledBack, waited int
}

func newTown(seed uint64) *town {
	t := &town{box: newBox(), draw: rand.New(rand.NewPCG(seed, 1)), refs: map[string][]string{}}
	t.written = []*v1.Manifest{manifestOf()}
	t.w.AfterCall = func(string) { // others get their turn at any moment
		switch rand.IntN(8) {
		case 0:
			time.Sleep(time.Duration(rand.IntN(100)) * time.Microsecond)
		case 1:
			runtime.Gosched()
		}
	}
	return t
}

// some is a random element; the list is not empty.
func some[T any](t *town, list []T) T { return list[t.draw.IntN(len(list))] }

// build makes a release of new paths and of old ones, which may be in the cache or not.
func (t *town) build() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.releases) > 0 && t.draw.IntN(3) == 0 {
		return some(t, t.releases) // the same thing again
	}
	make1 := func(kind string) string {
		p := pathOf(fmt.Sprintf("%s-%d", kind, len(t.paths)))
		for range t.draw.IntN(4) {
			if len(t.paths) > 0 {
				t.refs[p] = append(t.refs[p], some(t, t.paths))
			}
		}
		t.paths = append(t.paths, p)
		return p
	}
	for range t.draw.IntN(3) {
		make1("lib")
	}
	release := make1("release")
	t.releases = append(t.releases, release)
	return release
}

// closure is the path and all that it needs, what is needed first.
func (t *town) closure(p string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	var visit func(p string)
	visit = func(p string) {
		if slices.Contains(out, p) {
			return
		}
		for _, ref := range t.refs[p] {
			visit(ref)
		}
		out = append(out, p)
	}
	visit(p)
	return out
}

func (t *town) complain(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}

func (t *town) announce(ctx context.Context, by string) (*cache.Announcement, error) {
	return cache.Announce(ctx, cache.AnnounceOptions{
		Objects: t.store, By: by, Now: t.w.Clock.Now, Poll: time.Millisecond,
		Waiting: func(string) { t.mu.Lock(); t.waited++; t.mu.Unlock() },
	})
}

// push does what deploy-push does.
func (t *town) push(ctx context.Context, release string) error {
	a, err := t.announce(ctx, "pusher")
	if err != nil {
		return err
	}
	defer a.Done(ctx)
	closure := t.closure(release)
	missing := map[string]bool{} // asked for all at once, and long before the upload
	for _, p := range closure {
		if _, err := t.store.Stat(ctx, keyOf(p)); errors.Is(err, providers.ErrNotFound) {
			missing[p] = true
		}
	}
	for _, p := range closure {
		if !missing[p] {
			continue
		}
		if err := t.send(ctx, p, narOf(p), t.refs[p]); err != nil {
			return err
		}
	}
	if lack := t.lacks(ctx, release); lack != "" {
		t.complain("a push read back its closure, and %s was not there", lack)
	}
	if a.Valid() != nil {
		return nil // it slept; the person runs it again
	}
	t.write(func(m *v1.Manifest) { *m = *manifestOf(release, serviceOf(m, 0)) })
	t.check(ctx, "after a push")
	t.mu.Lock()
	t.pushed++
	t.mu.Unlock()
	return nil
}

// serviceOf is the release of a service, or any.
func serviceOf(m *v1.Manifest, i int) string {
	if i < len(m.Services) {
		return m.Services[i].Artifact.StorePath
	}
	return v1.PlaceholderPath
}

// rollback brings an old manifest back, however old, if the cache has its releases still.
func (t *town) rollback(ctx context.Context, to *v1.Manifest) error {
	a, err := t.announce(ctx, "rollbacker")
	if err != nil {
		return err
	}
	defer a.Done(ctx)
	for i := range to.Services {
		p := serviceOf(to, i)
		if p == v1.PlaceholderPath {
			continue
		}
		if _, err := t.store.Stat(ctx, keyOf(p)); err != nil {
			return nil // collected long ago: the person is told so
		}
		if lack := t.lacks(ctx, p); lack != "" {
			t.complain("the cache had the entry of %s, and lacked %s", p, lack)
		}
	}
	if a.Valid() != nil {
		return nil
	}
	t.write(func(m *v1.Manifest) { *m = *to })
	t.check(ctx, "after a rollback")
	t.mu.Lock()
	t.rolledBack++
	t.mu.Unlock()
	return nil
}

func (t *town) write(change func(*v1.Manifest)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.written[len(t.written)-1].Clone()
	change(m)
	t.written = append(t.written, m)
}

// keptNow is the manifest in force and the newest before it.
func (t *town) keptNow() []*v1.Manifest {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.written[max(0, len(t.written)-1-keepNewest):])
}

// check realises every kept release.
func (t *town) check(ctx context.Context, when string) {
	for _, m := range t.keptNow() {
		for i := range m.Services {
			if p := serviceOf(m, i); p != v1.PlaceholderPath {
				if lack := t.lacks(ctx, p); lack != "" {
					t.complain("%s: a kept release needs %s, and lacks %s", when, p, lack)
				}
			}
		}
	}
}

// sweep collects, and dies on the way when told so.
func (t *town) sweep(ctx context.Context, diesAt int64) error {
	o := t.options()
	o.Kept = func(context.Context, time.Time) ([]*v1.Manifest, error) { return t.keptNow(), nil }
	if diesAt > 0 {
		d := &dying{Objects: t.store, after: diesAt%2 == 0, deletions: diesAt < 20}
		d.left.Store(diesAt)
		o.Objects, o.Index = d, fake.CacheIndex(d)
	}
	r, err := cache.Collect(ctx, o)
	t.mu.Lock()
	t.deleted += len(r.Deleted)
	t.mu.Unlock()
	t.check(ctx, "after a collection")
	if diesAt > 0 {
		t.w.Clock.Advance(11 * time.Minute) // others wait for the dead that long
	}
	switch {
	case errors.Is(err, errKilled):
		return nil
	case providers.ReasonOf(err) == "CollectionRunning", providers.ReasonOf(err) == "NothingKept":
		return nil
	}
	return err
}

// round lets people work at the same time, until all are done.
func (t *town) round(ctx context.Context) {
	GinkgoHelper()
	var work []func() error
	for range 1 + t.draw.IntN(2) {
		release := t.build()
		work = append(work, func() error { return t.push(ctx, release) })
	}
	if t.draw.IntN(2) == 0 {
		to := some(t, t.written)
		work = append(work, func() error { return t.rollback(ctx, to) })
	}
	if t.draw.IntN(3) > 0 {
		diesAt := []int64{0, 0, 1 + t.draw.Int64N(19), 20 + t.draw.Int64N(200)}[t.draw.IntN(4)]
		work = append(work, func() error { return t.sweep(ctx, diesAt) })
	}
	errs := make([]error, len(work))
	var all sync.WaitGroup
	for i, do := range work {
		all.Go(func() { errs[i] = do() })
	}
	all.Wait()
	Expect(errors.Join(errs...)).NotTo(HaveOccurred())
	t.mu.Lock()
	paths := slices.Clone(t.paths)
	t.mu.Unlock()
	there := t.cached(ctx)
	for _, p := range paths {
		if slices.Contains(there, keyOf(p)) {
			Expect(t.lacks(ctx, p)).To(BeEmpty(), "whoever finds %s in the cache relies on all of it", p)
		}
	}
}

var _ = Describe("pushes, rollbacks and collections at the same time", func() {
	It("never leave a kept release that does not realise, nor garbage for ever", func(ctx SpecContext) {
		var deleted, pushed, rolledBack, waited int
		for seed := range uint64(5) {
			t := newTown(seed)
			reported := ""
			for range 40 {
				t.round(ctx)
				Expect(t.wrong).To(BeEmpty(), "seed %d", seed)
				if reported != "" {
					Expect(t.lacks(ctx, reported)).To(BeEmpty(), "seed %d: a host has it in use", seed)
				}
				// A host that is behind reports what it serves.
				if now := serviceOf(t.written[len(t.written)-1], 0); now != v1.PlaceholderPath && t.draw.IntN(8) == 0 {
					reported = now
					t.report(ctx, "biz", v1.ServiceState{Name: "web", Serving: v1.Target{StorePath: now}})
				}
				t.w.Clock.Advance(11*time.Minute + time.Duration(t.draw.IntN(20))*time.Hour)
			}
			for range 2 {
				t.w.Clock.Advance(day + time.Hour)
				Expect(t.sweep(ctx, 0)).To(Succeed())
			}
			Expect(t.wrong).To(BeEmpty(), "seed %d", seed)
			var needed []string
			for _, m := range t.keptNow() {
				for i := range m.Services {
					if p := serviceOf(m, i); p != v1.PlaceholderPath {
						needed = append(needed, t.closure(p)...)
					}
				}
			}
			if reported != "" {
				needed = append(needed, t.closure(reported)...)
			}
			slices.Sort(needed)
			Expect(t.cached(ctx)).To(Equal(keysOf(slices.Compact(needed)...)), "seed %d: what nothing needs is gone in the end", seed)
			deleted, pushed, rolledBack, waited = deleted+t.deleted, pushed+t.pushed, rolledBack+t.rolledBack, waited+t.waited
		}
		GinkgoWriter.Printf("%d pushes, %d rollbacks, %d objects deleted, %d waits for a collection\n", pushed, rolledBack, deleted, waited)
		Expect(pushed).To(BeNumerically(">", 100))
		Expect(rolledBack).To(BeNumerically(">", 20))
		Expect(deleted).To(BeNumerically(">", 200))
		Expect(waited).To(BeNumerically(">", 10), "nobody ever met a collection")
	}, NodeTimeout(5*time.Minute))
})
