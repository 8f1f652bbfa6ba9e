package reconcile_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/reconcile"
)

// tally is a Metrics that remembers.
type tally struct {
	mu     sync.Mutex
	passes []string
	depth  int
	oldest time.Duration
}

func (t *tally) PassDone(controller, result string, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passes = append(t.passes, fmt.Sprint(controller, " ", result, " ", d))
}

func (t *tally) QueueDepth(_ string, names int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.depth = names
}

func (t *tally) OldestAge(_ string, age time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.oldest = age
}

// done lists the passes that were reported, in order.
func (t *tally) done() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.passes...)
}

// queue gives the last report of depth and age.
func (t *tally) queue() (int, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.depth, t.oldest
}

var _ = Describe("Metrics", func() {
	It("hears of every pass by result, and how long it took", bubble(func(b *bench) {
		t := &tally{}
		c := b.start(func(_ context.Context, name string) (reconcile.Result, error) {
			time.Sleep(time.Second)
			switch name {
			case "later":
				return reconcile.Result{RequeueAfter: time.Hour}, nil
			case "broken":
				return reconcile.Result{}, errBroken
			case "hopeless":
				return reconcile.Result{}, reconcile.Terminal(errBroken)
			case "mad":
				explode()
			}
			return reconcile.Result{}, nil
		}, reconcile.Options{Metrics: t})
		for _, name := range []string{"good", "later", "hopeless", "mad", "broken"} {
			c.Enqueue(name)
		}
		sleep(5 * time.Second)
		Expect(t.done()).To(Equal([]string{
			"test success 1s", "test requeue 1s", "test terminal 1s", "test panic 1s", "test error 1s",
		}))
	}))

	It("hears how many names wait for a worker, and how long the first has waited", bubble(func(b *bench) {
		t := &tally{}
		w := &busy{takes: 10 * time.Second}
		c := b.start(w.pass, reconcile.Options{Metrics: t})
		c.Enqueue("web")
		sleep(time.Second)
		c.Enqueue("mail")
		sleep(2 * time.Second)
		c.Enqueue("wiki")
		names, oldest := t.queue()
		Expect(names).To(Equal(2))
		Expect(oldest).To(Equal(2 * time.Second))

		sleep(4 * time.Second)
		names, oldest = c.Queued()
		Expect(names).To(Equal(2))
		Expect(oldest).To(Equal(6 * time.Second))

		sleep(time.Minute)
		names, oldest = t.queue()
		Expect(names).To(BeZero())
		Expect(oldest).To(BeZero())
	}))

	It("does not count a name that backs off as waiting", bubble(func(b *bench) {
		c := b.start(func(context.Context, string) (reconcile.Result, error) {
			return reconcile.Result{}, errBroken
		}, reconcile.Options{})
		c.Enqueue("web")
		sleep(500 * time.Millisecond)
		names, _ := c.Queued()
		Expect(names).To(BeZero())
	}))
})
