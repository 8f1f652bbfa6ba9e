package report

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
)

// disk counts the writes of state.json, keeps the last one, and fails when asked to.
type disk struct {
	providers.States
	broken atomic.Bool
	tries  atomic.Int32
	mu     sync.Mutex
	writes []v1.HostState
}

func (d *disk) SaveState(ctx context.Context, s v1.HostState) error {
	d.tries.Add(1)
	if d.broken.Load() {
		return errors.New("no space left on device")
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes = append(d.writes, s)
	return nil
}

func (d *disk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.writes)
}

func (d *disk) last() v1.HostState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes[len(d.writes)-1]
}

func serviceNames(s v1.HostState) []string {
	var out []string
	for _, x := range s.Services {
		out = append(out, x.Name)
	}
	return out
}

var _ = Describe("the board", func() {
	var d *disk
	var options Options
	var stop func()
	BeforeEach(func() {
		d = &disk{States: fake.New().Host().States}
		options = Options{Host: "biz", Daemon: "v1", States: d, Settle: 20 * time.Millisecond, Heartbeat: time.Hour}
		stop = func() {}
	})
	AfterEach(func() { stop() })

	run := func() *Board {
		b := New(options)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { defer close(ended); b.Run(ctx) }()
		stop = func() {
			cancel()
			Eventually(ended).Should(BeClosed())
		}
		return b
	}

	It("gathers many changes into one write", func() {
		b := run()
		for i := range 200 {
			b.Service("web", v1.ServiceState{Name: "web", Message: string(rune('a' + i%26))})
		}
		Eventually(d.count).Should(BeNumerically(">=", 1))
		Consistently(d.count, 100*time.Millisecond).Should(BeNumerically("<=", 2))
		Expect(serviceNames(d.last())).To(Equal([]string{"web"}))
	})

	It("tells of a service that was not looked at yet, until it was", func() {
		b := New(Options{Host: "biz", States: &disk{}})
		b.Expect("web")
		Expect(b.Snapshot().Services).To(HaveExactElements(And(
			HaveField("Sync", v1.SyncUnknown), HaveField("Health", v1.HealthUnknown), HaveField("Reason", "NotLookedAt"))))
		b.Service("web", v1.ServiceState{Name: "web", Sync: v1.Synced})
		b.Expect("web")
		Expect(b.Snapshot().Services).To(HaveExactElements(HaveField("Sync", v1.Synced)))
	})

	It("writes nothing while nothing changes", func() {
		b := run()
		b.Tried("web", errors.New("of a service that was never reported"))
		b.Gone("web")
		Consistently(d.count, 100*time.Millisecond).Should(BeZero())
	})

	It("writes now and then without any change, with a new time", func() {
		now := atomic.Int64{}
		options.Heartbeat, options.Settle = 30*time.Millisecond, time.Millisecond
		options.Now = func() time.Time { return time.Unix(now.Add(1), 0) }
		run()
		Eventually(d.count).Should(BeNumerically(">=", 2))
		Expect(d.last().UpdatedAt.IsZero()).To(BeFalse())
		Expect(d.last().UpdatedAt).NotTo(Equal(d.writes[0].UpdatedAt))
	})

	It("goes on after a disk that was full, and writes what came meanwhile", func() {
		b := run()
		d.broken.Store(true)
		b.Service("web", v1.ServiceState{Name: "web"})
		Eventually(d.tries.Load).Should(BeNumerically(">=", 1))
		d.broken.Store(false)
		b.Service("api", v1.ServiceState{Name: "api"})
		Eventually(d.count).Should(Equal(1))
		Expect(serviceNames(d.last())).To(Equal([]string{"api", "web"}))
	})

	It("writes once more at its end, also what has not settled", func() {
		options.Settle = time.Hour
		b := run()
		b.Service("web", v1.ServiceState{Name: "web"})
		stop()
		Expect(d.count()).To(Equal(1))
		Expect(serviceNames(d.last())).To(Equal([]string{"web"}))
		Expect(d.last().Host).To(Equal("biz"))
		Expect(d.last().Kind).To(Equal(v1.KindHostState))
	})

	It("takes out what is gone, with its failures", func() {
		b := New(options)
		b.Service("web", v1.ServiceState{Name: "web"})
		b.Tried("web", errors.New("x"))
		b.Gone("web")
		Expect(b.Snapshot().Services).To(BeEmpty())
		b.Service("web", v1.ServiceState{Name: "web"})
		Expect(b.Snapshot().Services[0].Failures).To(BeZero())
	})

	It("counts the failures in a row, whatever is reported between them", func() {
		b := New(options)
		b.Service("web", v1.ServiceState{Name: "web"})
		for range 3 {
			b.Tried("web", errors.New("x"))
			b.Service("web", v1.ServiceState{Name: "web", Message: "still not"})
		}
		Expect(b.Snapshot().Services[0].Failures).To(Equal(3))
		b.Tried("web", nil)
		Expect(b.Snapshot().Services[0].Failures).To(BeZero())
	})

	It("gives snapshots that later changes do not touch", func() {
		b := New(options)
		b.Service("web", v1.ServiceState{Name: "web", Message: "one"})
		b.Manifest(v1.ManifestStatus{Store: "file:///s"}, nil, nil)
		before := b.Snapshot()
		b.Service("web", v1.ServiceState{Name: "web", Message: "two"})
		b.Manifest(v1.ManifestStatus{Store: "file:///s"}, nil, errors.New("gone"))
		Expect(before.Services[0].Message).To(Equal("one"))
		Expect(before.Conditions[0].Status).To(Equal(v1.True))
	})

	It("can be used from many goroutines", func() {
		b := run()
		var all sync.WaitGroup
		for _, name := range []string{"a", "b", "c", "d"} {
			all.Go(func() {
				for range 200 {
					b.Service(name, v1.ServiceState{Name: name})
					b.Tried(name, errors.New("x"))
					b.Manifest(v1.ManifestStatus{}, &v1.Manifest{Generation: 3}, nil)
					b.Snapshot()
					b.Gone(name)
				}
			})
		}
		all.Wait()
		Expect(b.Snapshot().Services).To(BeEmpty())
	})

	Describe("told of the manifest", func() {
		read := func(sec int64) v1.ManifestStatus {
			return v1.ManifestStatus{Store: "file:///s", ETag: "e", LastRead: time.Unix(sec, 0)}
		}

		It("says which one is in force, and why the newest is not", func() {
			b := New(options)
			b.Manifest(read(1), &v1.Manifest{Lineage: "l", Generation: 7}, nil)
			s := b.Snapshot()
			Expect(s.ObservedGeneration).To(BeEquivalentTo(7))
			Expect(v1.FindCondition(s.Conditions, "ManifestRead").Status).To(Equal(v1.True))
			b.Manifest(read(1), nil, &providers.Fault{Reason: "StoreForbidden", Message: "403"})
			s = b.Snapshot()
			Expect(s.ObservedGeneration).To(BeEquivalentTo(7), "what is in force stays")
			c := v1.FindCondition(s.Conditions, "ManifestRead")
			Expect(c.Status).To(Equal(v1.False))
			Expect(c.Reason).To(Equal("StoreForbidden"))
		})

		It("writes nothing for a store that was asked again and said the same", func() {
			b := run()
			b.Manifest(read(1), nil, nil)
			Eventually(d.count).Should(Equal(1))
			b.Manifest(read(2), nil, nil)
			Consistently(d.count, 100*time.Millisecond).Should(Equal(1))
			Expect(b.Snapshot().Manifest.LastRead).To(Equal(time.Unix(2, 0)))
		})
	})
})
