package reconcile_test

import (
	"context"
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/reconcile"
)

var _ = Describe("stopping", func() {
	It("starts no new pass, and returns when those that run have ended", bubble(func(b *bench) {
		w := &busy{takes: 10 * time.Second}
		c := b.start(w.pass, reconcile.Options{})
		c.Enqueue("web")
		c.Enqueue("mail")
		c.EnqueueAfter("late", 2*time.Second)
		sleep(time.Second)
		b.Stop()
		sleep(time.Second)
		c.Enqueue("web")
		c.EnqueueAfter("late", time.Second)
		Expect(b.ended).NotTo(BeClosed())
		Expect(b.result()).To(Succeed())
		Expect(time.Since(b.begin)).To(Equal(10 * time.Second))
		sleep(time.Hour)
		Expect(b.at("web")).To(HaveLen(1))
		Expect(b.at("mail")).To(BeEmpty())
		Expect(b.at("late")).To(BeEmpty())
	}))

	It("does not run again a name that failed or waits while it drains", bubble(func(b *bench) {
		c := b.start(func(_ context.Context, name string) (reconcile.Result, error) {
			time.Sleep(5 * time.Second)
			return reconcile.Result{RequeueAfter: time.Second}, map[string]error{"web": errBroken}[name]
		}, reconcile.Options{Workers: 2})
		c.Enqueue("web")
		c.Enqueue("mail")
		sleep(time.Second)
		b.Stop()
		sleep(time.Hour)
		Expect(b.ended).To(BeClosed())
		Expect(b.at("web")).To(HaveLen(1))
		Expect(b.at("mail")).To(HaveLen(1))
	}))

	It("cancels the context of a pass only after the drain timeout, and says why", bubble(func(b *bench) {
		var cancelled time.Duration
		c := b.start(func(ctx context.Context, _ string) (reconcile.Result, error) {
			<-ctx.Done()
			cancelled = time.Since(b.begin)
			time.Sleep(3 * time.Second)
			return reconcile.Result{}, ctx.Err()
		}, reconcile.Options{
			PassTimeout:  time.Hour,
			DrainTimeout: 20 * time.Second,
		})
		c.Enqueue("web")
		sleep(5 * time.Second)
		Expect(b.result()).To(Succeed())
		Expect(cancelled).To(Equal(25 * time.Second))
		Expect(time.Since(b.begin)).To(Equal(28*time.Second), "a pass is never abandoned")
		Expect(b.outcomes()).To(ConsistOf(MatchError(reconcile.ErrDrainTimeout)))
		Expect(b.outcomes()).To(ConsistOf(MatchError("the controller stops and the pass did not end in time (20s): context canceled")))
	}))

	It("waits 30 s before it cancels, unless told otherwise", bubble(func(b *bench) {
		c := b.start(func(ctx context.Context, _ string) (reconcile.Result, error) {
			<-ctx.Done()
			return reconcile.Result{}, nil
		}, reconcile.Options{})
		c.Enqueue("web")
		sleep(time.Second)
		Expect(b.result()).To(Succeed())
		Expect(time.Since(b.begin)).To(Equal(31 * time.Second))
	}))

	It("cancels passes at once when the drain timeout is negative", bubble(func(b *bench) {
		c := b.start(func(ctx context.Context, _ string) (reconcile.Result, error) {
			<-ctx.Done()
			return reconcile.Result{}, ctx.Err()
		}, reconcile.Options{DrainTimeout: -1})
		c.Enqueue("web")
		sleep(5 * time.Second)
		Expect(b.result()).To(Succeed())
		Expect(time.Since(b.begin)).To(Equal(5 * time.Second))
	}))

	It("stops with the error of a source, after a drain", bubble(func(b *bench) {
		w := &busy{takes: 10 * time.Second}
		b.start(w.pass, reconcile.Options{}, reconcile.SourceFunc(func(_ context.Context, q reconcile.Queue) error {
			q.Enqueue("web")
			time.Sleep(time.Second)
			return errBroken
		}))
		<-b.ended
		Expect(b.err).To(MatchError(errBroken))
		Expect(b.err).To(MatchError(HavePrefix(`running a source of controller "test": `)))
		Expect(time.Since(b.begin)).To(Equal(10 * time.Second))
	}))

	It("stops when a source panics", bubble(func(b *bench) {
		b.start(done, reconcile.Options{}, reconcile.SourceFunc(func(context.Context, reconcile.Queue) error {
			explode()
			return nil
		}))
		<-b.ended
		Expect(b.err).To(MatchError(ContainSubstring("out of cheese")))
		Expect(b.log()).To(ConsistOf(ContainSubstring("reconcile_test.explode(")))
	}))

	It("does not call a source's end at the end of the context a failure", bubble(func(b *bench) {
		b.start(done, reconcile.Options{}, reconcile.SourceFunc(func(ctx context.Context, _ reconcile.Queue) error {
			<-ctx.Done()
			return errors.Join(errors.New("waiting for events"), ctx.Err())
		}))
		Expect(b.result()).To(Succeed())
	}))

	It("waits for its sources", bubble(func(b *bench) {
		b.start(done, reconcile.Options{}, reconcile.SourceFunc(func(ctx context.Context, _ reconcile.Queue) error {
			<-ctx.Done()
			time.Sleep(3 * time.Second)
			return nil
		}))
		Expect(b.result()).To(Succeed())
		Expect(time.Since(b.begin)).To(Equal(3 * time.Second))
	}))

	It("goes on when a source has no more names", bubble(func(b *bench) {
		c := b.start(done, reconcile.Options{}, reconcile.SourceFunc(func(context.Context, reconcile.Queue) error { return nil }))
		sleep(time.Minute)
		c.Enqueue("web")
		sleep(time.Second)
		Expect(b.at("web")).To(Equal(seconds(60)))
	}))
})

func explode() { panic("out of cheese") }
