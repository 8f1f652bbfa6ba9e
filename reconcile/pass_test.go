package reconcile_test

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/reconcile"
)

var _ = Describe("a pass", func() {
	It("finds a logger in its context that names controller, name and pass", bubble(func(b *bench) {
		c := b.start(func(ctx context.Context, _ string) (reconcile.Result, error) {
			logr.FromContextOrDiscard(ctx).Info("link written")
			return reconcile.Result{}, nil
		}, reconcile.Options{Rand: func() float64 { return 0.5 }})
		c.Enqueue("web")
		sleep(time.Second)
		Expect(b.log()).To(Equal([]string{
			`"level"=0 "msg"="link written" "controller"="test" "name"="web" "reconcileID"="80000000"`,
		}))
	}))

	It("has an ID of its own", bubble(func(b *bench) {
		c := b.start(func(ctx context.Context, _ string) (reconcile.Result, error) {
			logr.FromContextOrDiscard(ctx).Info("looking")
			return reconcile.Result{}, nil
		}, reconcile.Options{})
		for range 20 {
			c.Enqueue("web")
			sleep(time.Second)
		}
		ids := map[string]bool{}
		for _, line := range b.log() {
			ids[regexp.MustCompile(`"reconcileID"="([0-9a-f]{8})"`).FindString(line)] = true
		}
		Expect(ids).To(HaveLen(20))
		Expect(ids).NotTo(HaveKey(""))
	}))

	It("leaves exactly one error line when it fails, with what comes next", bubble(func(b *bench) {
		c := b.start(func(context.Context, string) (reconcile.Result, error) {
			return reconcile.Result{}, errBroken
		}, reconcile.Options{})
		c.Enqueue("web")
		sleep(500 * time.Millisecond)
		Expect(b.log()).To(ConsistOf(And(
			HavePrefix(`"msg"="pass failed" "error"="starting unit web.service: broken"`),
			ContainSubstring(`"name"="web"`),
			ContainSubstring(`"attempt"=1 "requeueAfter"="1s"`),
		)))
	}))

	It("says in its line that a terminal error waits for a change", bubble(func(b *bench) {
		c := b.start(func(context.Context, string) (reconcile.Result, error) {
			return reconcile.Result{}, reconcile.Terminal(errBroken)
		}, reconcile.Options{})
		c.Enqueue("web")
		sleep(time.Hour)
		Expect(b.log()).To(ConsistOf(HavePrefix(`"msg"="pass failed for good, waiting for a change"`)))
	}))

	It("turns a panic into an error, logs the stack once, and lets other names go on", bubble(func(b *bench) {
		c := b.start(func(_ context.Context, name string) (reconcile.Result, error) {
			if name == "web" {
				explode()
			}
			return reconcile.Result{}, nil
		}, reconcile.Options{})
		c.Enqueue("web")
		c.Enqueue("mail")
		sleep(500 * time.Millisecond)
		Expect(b.at("mail")).To(Equal(seconds(0)))
		Expect(b.outcomes()).To(HaveExactElements(
			MatchError("recovering from a panic: out of cheese"), // no stack in statuses and events
			BeNil(),
		))
		Expect(b.log()).To(HaveLen(1))
		Expect(strings.Count(b.log()[0], "reconcile_test.explode(")).To(Equal(1))

		sleep(3 * time.Second)
		Expect(b.at("web")).To(Equal(seconds(0, 1, 3)), "it backs off like any failure")
	}))

	It("shows the error that was given to panic", func() {
		Expect(&reconcile.PanicError{Value: io.EOF}).To(MatchError(io.EOF))
	})

	It("gets a deadline, and its error says whose it was", bubble(func(b *bench) {
		c := b.start(func(ctx context.Context, _ string) (reconcile.Result, error) {
			<-ctx.Done()
			return reconcile.Result{}, ctx.Err()
		}, reconcile.Options{PassTimeout: 90 * time.Second})
		c.Enqueue("web")
		sleep(89 * time.Second)
		Expect(b.outcomes()).To(BeEmpty())
		sleep(time.Second)
		Expect(b.outcomes()).To(HaveLen(1))
		seen := b.outcomes()[0]
		Expect(seen).To(MatchError("the pass ran out of time (1m30s): context deadline exceeded"))
		Expect(seen).To(MatchError(reconcile.ErrPassTimeout))
		Expect(seen).To(MatchError(context.DeadlineExceeded))
	}))

	It("says once whose deadline it was, if it knows", bubble(func(b *bench) {
		c := b.start(func(ctx context.Context, _ string) (reconcile.Result, error) {
			<-ctx.Done()
			return reconcile.Result{}, context.Cause(ctx)
		}, reconcile.Options{PassTimeout: time.Second})
		c.Enqueue("web")
		sleep(1500 * time.Millisecond)
		Expect(b.outcomes()).To(ConsistOf(MatchError("the pass ran out of time")))
	}))

	It("is not blamed for its deadline when it succeeds late", bubble(func(b *bench) {
		c := b.start(func(context.Context, string) (reconcile.Result, error) {
			time.Sleep(time.Minute)
			return reconcile.Result{}, nil
		}, reconcile.Options{PassTimeout: time.Second})
		c.Enqueue("web")
		sleep(time.Hour)
		Expect(b.outcomes()).To(Equal([]error{nil}))
	}))
})

var _ = Describe("Terminal", func() {
	It("is seen through by errors.Is and errors.As, and keeps the text", func() {
		err := reconcile.Terminal(&reconcile.PanicError{Value: io.EOF})
		Expect(err).To(MatchError(io.EOF))
		var panicked *reconcile.PanicError
		Expect(errors.As(err, &panicked)).To(BeTrue())
		Expect(reconcile.Terminal(errBroken)).To(MatchError(errBroken.Error()))
	})

	It("marks errors only", func() {
		Expect(reconcile.Terminal(nil)).To(Succeed())
		Expect(reconcile.IsTerminal(nil)).To(BeFalse())
		Expect(reconcile.IsTerminal(errBroken)).To(BeFalse())
		Expect(reconcile.IsTerminal(errors.Join(errBroken, reconcile.Terminal(io.EOF)))).To(BeTrue())
	})
})
