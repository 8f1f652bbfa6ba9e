package watch

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/reconcile"
)

var errBroken = errors.New("broken")

func nothing(context.Context, string) (reconcile.Result, error) { return reconcile.Result{}, nil }

var _ = Describe("an event", func() {
	It("is followed by a pass within 50 ms, together with those that come with it", bubble(func(b *bench) {
		b.start(nothing)
		for range 20 {
			b.changed("web")
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		Expect(b.at()).To(Equal(ms(30)))
	}))

	It("that comes in a pass is answered when that has ended", bubble(func(b *bench) {
		b.start(func(context.Context, string) (reconcile.Result, error) {
			time.Sleep(time.Second)
			return reconcile.Result{}, nil
		})
		b.changed("web")
		time.Sleep(500 * time.Millisecond)
		b.changed("web")
		b.changed("web")
		time.Sleep(time.Minute)
		Expect(b.at()).To(Equal(ms(30, 1060)))
	}))

	It("of a name that is no service of this host is nothing", bubble(func(b *bench) {
		b.start(nothing)
		b.changed("logrotate")
		time.Sleep(time.Minute)
		Expect(b.at()).To(BeEmpty())
	}))

	It("that a pass causes itself is followed by one look, and by no other", bubble(func(b *bench) {
		var mended atomic.Bool
		b.start(func(context.Context, string) (reconcile.Result, error) {
			if mended.Swap(true) {
				return reconcile.Result{}, nil
			}
			b.changed("web")
			return reconcile.Result{Progressed: true}, nil
		})
		b.changed("web")
		time.Sleep(time.Minute)
		Expect(b.at()).To(Equal(ms(30, 60)))
	}))
})

var _ = Describe("two managers of one thing", func() {
	// fight lets somebody change it whenever it is as wanted, that much later.
	fight := func(b *bench, later time.Duration) {
		b.start(func(context.Context, string) (reconcile.Result, error) {
			time.AfterFunc(later, func() { b.changed("web") })
			return reconcile.Result{Progressed: true}, nil
		})
		b.changed("web")
	}

	It("do not fight at full speed: a handful of healings at once, then ever longer gaps up to 30 s", bubble(func(b *bench) {
		fight(b, 10*time.Millisecond)
		time.Sleep(5 * time.Minute)
		Expect(gaps(b.at())).To(HaveExactElements(0, 0, 0, 0, 0, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30, 30))
		b.stop()
	}))

	It("go on at their pace after ten seconds of peace, and begin anew after a minute", bubble(func(b *bench) {
		var fighting atomic.Bool
		fighting.Store(true)
		b.start(func(context.Context, string) (reconcile.Result, error) {
			if fighting.Load() {
				time.AfterFunc(10*time.Millisecond, func() { b.changed("web") })
			}
			return reconcile.Result{Progressed: fighting.Load()}, nil
		})
		b.changed("web")
		time.Sleep(5 * time.Minute)
		fighting.Store(false)
		time.Sleep(30 * time.Second)
		b.at()

		time.Sleep(10 * time.Second)
		start := time.Since(b.begin)
		b.changed("web")
		time.Sleep(40 * time.Second)
		times := b.at()
		Expect(times).To(HaveLen(1))
		Expect(times[0] - start).To(BeNumerically("<=", 20*time.Second))

		time.Sleep(time.Minute)
		start = time.Since(b.begin)
		b.changed("web")
		time.Sleep(time.Second)
		Expect(b.at()).To(Equal([]time.Duration{start + delay}))
	}))

	It("are told apart from a person who wants something else: a new manifest begins anew", bubble(func(b *bench) {
		fight(b, 10*time.Millisecond)
		time.Sleep(110 * time.Second)
		b.at()
		time.Sleep(time.Second)
		Expect(b.at()).To(BeEmpty(), "it is in a gap")
		b.generation.Add(1)
		b.engine.Enqueue("web")
		time.Sleep(time.Second)
		Expect(len(b.at())).To(BeNumerically(">=", 5))
		b.stop()
	}))

	It("are told apart also where the new manifest asks for no pass: the next event is answered at once", bubble(func(b *bench) {
		b.start(nothing)
		for range 10 * 60 {
			b.changed("web")
			time.Sleep(200 * time.Millisecond)
		}
		b.at()
		b.changed("web")
		time.Sleep(time.Second)
		Expect(b.at()).To(BeEmpty(), "it is in a gap")
		b.generation.Add(1)
		start := time.Since(b.begin)
		b.changed("web")
		time.Sleep(time.Second)
		Expect(b.at()).To(Equal([]time.Duration{start + delay}))
	}))

	It("who are slow are answered at once", bubble(func(b *bench) {
		fight(b, time.Minute)
		time.Sleep(10 * time.Minute)
		Expect(gaps(b.at())).To(HaveEach(60))
		b.stop()
	}))
})

var _ = Describe("a name that fires all the time", func() {
	It("is looked at ever more rarely, up to every 30 s, though nothing is wrong", bubble(func(b *bench) {
		b.start(nothing)
		for range 10 * 60 * 5 {
			b.changed("web")
			time.Sleep(200 * time.Millisecond)
		}
		times := b.at()
		Expect(len(times)).To(BeNumerically("<", 60))
		Expect(gaps(times)[len(times)-4:]).To(HaveEach(30))
	}))

	It("does not keep another one waiting", bubble(func(b *bench) {
		b.known["mail"] = true
		b.start(nothing)
		for range 100 {
			b.changed("web")
			time.Sleep(200 * time.Millisecond)
		}
		b.at()
		start := time.Since(b.begin)
		b.changed("mail")
		time.Sleep(100 * time.Millisecond)
		Expect(b.at()).To(ContainElement(start + delay))
	}))
})

var _ = Describe("a rollout", func() {
	It("costs little: what breaks right after it is healed at once", bubble(func(b *bench) {
		var steps atomic.Int32
		b.start(func(context.Context, string) (reconcile.Result, error) {
			if steps.Add(1) > 12 {
				return reconcile.Result{}, nil
			}
			b.changed("web") // its own writes
			time.AfterFunc(50*time.Millisecond, func() { b.changed("web") })
			return reconcile.Result{Progressed: true, RequeueAfter: 500 * time.Millisecond}, nil
		})
		b.engine.Enqueue("web")
		time.Sleep(5 * time.Second)
		Expect(steps.Load()).To(BeNumerically(">", 12))
		b.at()
		start := time.Since(b.begin)
		b.changed("web")
		time.Sleep(100 * time.Millisecond)
		Expect(b.at()).To(Equal([]time.Duration{start + delay}))
	}))
})

var _ = Describe("a pass that fails", func() {
	// fails is a pass that makes an event and fails.
	fails := func(b *bench, causes bool) {
		b.start(func(context.Context, string) (reconcile.Result, error) {
			if causes {
				b.changed("web")
				time.AfterFunc(100*time.Millisecond, func() { b.changed("web") })
			}
			return reconcile.Result{}, errBroken
		})
		b.engine.Enqueue("web")
	}

	It("keeps its backoff, whatever events it causes: one of them is believed", bubble(func(b *bench) {
		fails(b, true)
		time.Sleep(time.Minute)
		Expect(gaps(b.at())).To(HaveExactElements(0, 2, 4, 8, 16))
		b.stop()
	}))

	It("is tried again at once when something changes later, or for the first time", bubble(func(b *bench) {
		fails(b, false)
		time.Sleep(10 * time.Second)
		b.at()
		start := time.Since(b.begin)
		b.changed("web")
		time.Sleep(100 * time.Millisecond)
		Expect(b.at()).To(Equal([]time.Duration{start + delay}))
		b.changed("web") // in its echo
		time.Sleep(100 * time.Millisecond)
		Expect(b.at()).To(HaveLen(1))
	}))

	It("is not tried at full speed by events from outside", bubble(func(b *bench) {
		fails(b, false)
		for range 100 {
			time.Sleep(300 * time.Millisecond)
			b.changed("web")
		}
		Expect(len(b.at())).To(BeNumerically("<", 20))
		b.stop()
	}))

	It("by a panic is a failure, too", bubble(func(b *bench) {
		b.start(func(context.Context, string) (reconcile.Result, error) {
			b.changed("web")
			panic("out of cheese")
		})
		b.engine.Enqueue("web")
		time.Sleep(20 * time.Second)
		Expect(len(b.at())).To(BeNumerically("<=", 7))
		b.stop()
	}))
})

var _ = Describe("a watcher", func() {
	It("that cannot go on, or panics, stops nothing", bubble(func(b *bench) {
		b.start(nothing,
			watcher(func(context.Context, func(string)) error { return errBroken }),
			watcher(func(context.Context, func(string)) error { panic("out of cheese") }),
		)
		time.Sleep(time.Minute)
		b.changed("web")
		time.Sleep(time.Second)
		Expect(b.at()).To(HaveLen(1))
	}))
})
