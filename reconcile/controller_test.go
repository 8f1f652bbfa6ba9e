package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/reconcile"
)

var errBroken = errors.New("starting unit web.service: broken")

// busy is a Reconciler whose passes take a while; it counts how many run at once.
type busy struct {
	takes         time.Duration
	running, peak atomic.Int32
}

func (w *busy) pass(context.Context, string) (reconcile.Result, error) {
	now := w.running.Add(1)
	defer w.running.Add(-1)
	for peak := w.peak.Load(); now > peak && !w.peak.CompareAndSwap(peak, now); peak = w.peak.Load() {
	}
	time.Sleep(w.takes)
	return reconcile.Result{}, nil
}

var _ = Describe("Controller", func() {
	It("runs a pass for each name that it is given", bubble(func(b *bench) {
		c := b.start(done, reconcile.Options{})
		c.Enqueue("web")
		c.Enqueue("mail")
		sleep(time.Hour)
		Expect(b.at("web")).To(Equal(seconds(0)))
		Expect(b.at("mail")).To(Equal(seconds(0)))
	}))

	It("runs names that were enqueued before Run", bubble(func(b *bench) {
		var passed atomic.Int32
		c := reconcile.New(reconcile.Func(func(context.Context, string) (reconcile.Result, error) {
			passed.Add(1)
			return reconcile.Result{}, nil
		}), reconcile.Options{})
		c.Enqueue("web")
		names, _ := c.Queued()
		Expect(names).To(Equal(1))
		go func() { _ = c.Run(b.ctx) }()
		sleep(time.Second)
		Expect(passed.Load()).To(Equal(int32(1)))
	}))

	It("runs at most one pass per name at a time, and once more for what came meanwhile", bubble(func(b *bench) {
		w := &busy{takes: 10 * time.Second}
		c := b.start(w.pass, reconcile.Options{Workers: 4})
		c.Enqueue("web")
		for range 5 {
			sleep(time.Second)
			c.Enqueue("web")
		}
		sleep(time.Hour)
		Expect(w.peak.Load()).To(Equal(int32(1)))
		Expect(b.at("web")).To(Equal(seconds(0, 10)))
	}))

	It("runs no more passes at once than it has workers, and no fewer", bubble(func(b *bench) {
		w := &busy{takes: time.Second}
		c := b.start(w.pass, reconcile.Options{Workers: 3})
		for i := range 9 {
			c.Enqueue(fmt.Sprint("web", i))
		}
		sleep(2500 * time.Millisecond)
		Expect(w.peak.Load()).To(Equal(int32(3)))
		Expect(b.at("web8")).To(Equal(seconds(2)), "first in, first out")
	}))

	It("honours RequeueAfter", bubble(func(b *bench) {
		c := b.start(func(context.Context, string) (reconcile.Result, error) {
			return reconcile.Result{RequeueAfter: 7 * time.Second}, nil
		}, reconcile.Options{})
		c.Enqueue("web")
		sleep(20 * time.Second)
		Expect(b.at("web")).To(Equal(seconds(0, 7, 14)))
		Expect(b.log()).To(BeEmpty(), "not yet is not an error")
	}))

	It("replaces a RequeueAfter by an earlier Enqueue and piles up no duplicates", bubble(func(b *bench) {
		c := b.start(func(context.Context, string) (reconcile.Result, error) {
			return reconcile.Result{RequeueAfter: 10 * time.Second}, nil
		}, reconcile.Options{})
		for range 4 {
			c.Enqueue("web")
			sleep(time.Second)
		}
		sleep(20 * time.Second)
		Expect(b.at("web")).To(Equal(seconds(0, 1, 2, 3, 13, 23)))
	}))

	It("runs a name in the time that EnqueueAfter says, the earliest of several", bubble(func(b *bench) {
		c := b.start(done, reconcile.Options{})
		c.EnqueueAfter("web", 8*time.Second)
		c.EnqueueAfter("web", 5*time.Second)
		c.EnqueueAfter("web", 9*time.Second)
		c.EnqueueAfter("mail", 0)
		sleep(time.Hour)
		Expect(b.at("web")).To(Equal(seconds(5)))
		Expect(b.at("mail")).To(Equal(seconds(0)))
	}))

	It("keeps what EnqueueAfter asked for although a pass ran before", bubble(func(b *bench) {
		c := b.start(done, reconcile.Options{})
		c.EnqueueAfter("web", 5*time.Second)
		sleep(time.Second)
		c.Enqueue("web")
		sleep(time.Hour)
		Expect(b.at("web")).To(Equal(seconds(1, 5)))
	}))

	It("tells OnPass the name, the result and the error of each pass", bubble(func(b *bench) {
		var told []string
		c := b.start(func(_ context.Context, name string) (reconcile.Result, error) {
			if name == "mail" {
				return reconcile.Result{Progressed: true}, reconcile.Terminal(errBroken)
			}
			return reconcile.Result{}, nil
		}, reconcile.Options{OnPass: func(name string, result reconcile.Result, err error) {
			told = append(told, fmt.Sprint(name, " ", result.Progressed, " ", err))
		}})
		c.Enqueue("web")
		c.Enqueue("mail")
		sleep(time.Second)
		Expect(told).To(Equal([]string{"web false <nil>", "mail true starting unit web.service: broken"}))
	}))

	It("runs only once", bubble(func(b *bench) {
		c := b.start(done, reconcile.Options{})
		Expect(c.Run(b.ctx)).To(MatchError(`running controller "test": it ran already`))
	}))
})

var _ = Describe("a failing name", func() {
	fail := func(context.Context, string) (reconcile.Result, error) { return reconcile.Result{}, errBroken }

	It("backs off by itself, twice as long after each failure, up to the maximum", bubble(func(b *bench) {
		c := b.start(func(_ context.Context, name string) (reconcile.Result, error) {
			if name == "web" {
				return reconcile.Result{RequeueAfter: time.Millisecond}, errBroken
			}
			return reconcile.Result{}, nil
		}, reconcile.Options{Backoff: reconcile.Backoff{Base: time.Second, Max: 4 * time.Second}})
		c.Enqueue("web")
		sleep(2 * time.Second)
		c.Enqueue("mail")
		sleep(14 * time.Second)
		Expect(b.at("web")).To(Equal(seconds(0, 1, 3, 7, 11, 15)), "RequeueAfter beside an error is ignored")
		Expect(b.at("mail")).To(Equal(seconds(2)))
	}))

	It("starts with a second, unless told otherwise", bubble(func(b *bench) {
		var passes atomic.Int32
		c := reconcile.New(reconcile.Func(func(context.Context, string) (reconcile.Result, error) {
			passes.Add(1)
			return reconcile.Result{}, errBroken
		}), reconcile.Options{})
		c.Enqueue("web")
		go func() { _ = c.Run(b.ctx) }()
		sleep(790 * time.Millisecond)
		Expect(passes.Load()).To(Equal(int32(1)))
		sleep(420 * time.Millisecond) // 1.2 s with the most of jitter
		Expect(passes.Load()).To(Equal(int32(2)))
	}))

	It("moves each pause by the jitter", bubble(func(b *bench) {
		c := b.start(fail, reconcile.Options{
			Backoff: reconcile.DefaultBackoff(),
			Rand:    func() float64 { return 0 },
		})
		c.Enqueue("web")
		sleep(3 * time.Second)
		Expect(b.at("web")).To(Equal(seconds(0, 0.8, 2.4)))
	}))

	It("runs at once when something happens to it, and stays as patient as it was", bubble(func(b *bench) {
		c := b.start(fail, reconcile.Options{})
		c.Enqueue("web")
		sleep(4 * time.Second) // failed at 0, 1 and 3; next at 7
		c.Enqueue("web")
		sleep(9 * time.Second)
		Expect(b.at("web")).To(Equal(seconds(0, 1, 3, 4, 12)), "the 4th pause is 8 s, and none of the old pauses is left")
	}))

	DescribeTable("starts anew", func(after reconcile.Result, err error) {
		bubble(func(b *bench) {
			passes := 0
			c := b.start(func(context.Context, string) (reconcile.Result, error) {
				if passes++; passes == 4 {
					return after, err
				}
				return reconcile.Result{}, errBroken
			}, reconcile.Options{})
			c.Enqueue("web")
			sleep(7500 * time.Millisecond) // passes at 0, 1, 3; the 4th at 7
			c.Enqueue("web")               // fails, and counts as the first failure
			sleep(1400 * time.Millisecond)
			want := seconds(0, 1, 3, 7, 7.5, 8.5)
			if err != nil && !reconcile.IsTerminal(err) {
				want = seconds(0, 1, 3, 7, 7.5) // the 4th was the first, so this is the second: 2 s
			}
			Expect(b.at("web")).To(Equal(want))
		})()
	},
		Entry("after a success", reconcile.Result{}, nil),
		Entry("after a not yet", reconcile.Result{RequeueAfter: time.Hour}, nil),
		Entry("after a terminal error", reconcile.Result{}, reconcile.Terminal(errBroken)),
		Entry("after a failure that progressed", reconcile.Result{Progressed: true}, errBroken),
	)

	It("waits one base pause after each failure as long as it progresses", bubble(func(b *bench) {
		c := b.start(func(context.Context, string) (reconcile.Result, error) {
			return reconcile.Result{Progressed: true}, errBroken
		}, reconcile.Options{})
		c.Enqueue("web")
		sleep(3500 * time.Millisecond)
		Expect(b.at("web")).To(Equal(seconds(0, 1, 2, 3)))
	}))

	It("waits for a change when the error is terminal", bubble(func(b *bench) {
		c := b.start(func(context.Context, string) (reconcile.Result, error) {
			return reconcile.Result{RequeueAfter: time.Second}, fmt.Errorf("placing web: %w", reconcile.Terminal(errBroken))
		}, reconcile.Options{})
		c.Enqueue("web")
		sleep(24 * time.Hour)
		Expect(b.at("web")).To(Equal(seconds(0)))
		c.Enqueue("web")
		sleep(time.Second)
		Expect(b.at("web")).To(HaveLen(2))
	}))
})
