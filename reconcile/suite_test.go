package reconcile_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/reconcile"
)

// suite is what synctest needs and Ginkgo has not: the real *testing.T.
var suite *testing.T

func TestReconcile(t *testing.T) {
	suite = t
	RegisterFailHandler(Fail)
	RunSpecs(t, "reconcile")
}

// bubble makes a spec whose time is synctest's: it stands still while anybody works
// and jumps when all wait, so that minutes pass at once and every figure is exact.
func bubble(spec func(b *bench)) func() {
	return func() {
		synctest.Test(suite, func(t *testing.T) {
			defer GinkgoRecover()
			ctx, stop := context.WithCancel(context.Background())
			b := &bench{ctx: ctx, Stop: stop, begin: time.Now(), ended: make(chan struct{})}
			defer b.end()
			spec(b)
		})
	}
}

// bench holds one controller under test and what it did.
type bench struct {
	Stop  context.CancelFunc
	ctx   context.Context
	begin time.Time
	ended chan struct{}
	run   bool
	err   error

	mu     sync.Mutex
	passes []pass
	errs   []error
	lines  []string
}

// pass is one that began: what it was for, and when, counted from the spec's start.
type pass struct {
	name string
	at   time.Duration
}

// start runs a controller with exact pauses (no jitter) unless opts say otherwise.
func (b *bench) start(r reconcile.Func, opts reconcile.Options, sources ...reconcile.Source) *reconcile.Controller {
	if opts.Backoff == (reconcile.Backoff{}) {
		opts.Backoff = reconcile.Backoff{Base: time.Second, Max: 5 * time.Minute}
	}
	opts.Name = "test"
	opts.Logger = b.logger()
	if opts.OnPass == nil {
		opts.OnPass = b.passed
	}
	c := reconcile.New(b.record(r), opts)
	b.run = true
	go func() {
		defer close(b.ended)
		b.err = c.Run(b.ctx, sources...)
	}()
	synctest.Wait()
	return c
}

func (b *bench) record(r reconcile.Func) reconcile.Func {
	return func(ctx context.Context, name string) (reconcile.Result, error) {
		b.mu.Lock()
		b.passes = append(b.passes, pass{name, time.Since(b.begin)})
		b.mu.Unlock()
		return r(ctx, name)
	}
}

func (b *bench) logger() logr.Logger {
	return funcr.New(func(_, line string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.lines = append(b.lines, line)
	}, funcr.Options{})
}

// at lists when the passes of name began.
func (b *bench) at(name string) []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	var times []time.Duration
	for _, p := range b.passes {
		if p.name == name {
			times = append(times, p.at)
		}
	}
	return times
}

func (b *bench) passed(_ string, _ reconcile.Result, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errs = append(b.errs, err)
}

// outcomes lists the errors of the passes that ended, nil for a success.
func (b *bench) outcomes() []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]error(nil), b.errs...)
}

// log gives the lines at V(0), that is: errors and changes.
func (b *bench) log() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.lines...)
}

// result stops the controller, waits for Run and gives its error.
func (b *bench) result() error {
	b.Stop()
	<-b.ended
	return b.err
}

func (b *bench) end() {
	b.Stop()
	if b.run {
		<-b.ended
	}
}

// sleep lets time pass and everything that falls due in it happen.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func seconds(figures ...float64) []time.Duration {
	times := make([]time.Duration, len(figures))
	for i, f := range figures {
		times[i] = time.Duration(f * float64(time.Second))
	}
	return times
}

func done(context.Context, string) (reconcile.Result, error) { return reconcile.Result{}, nil }

var _ = Describe("a bubble", func() {
	It("lets minutes pass at once", bubble(func(*bench) {
		start := time.Now()
		sleep(10 * time.Minute)
		Expect(time.Since(start)).To(Equal(10 * time.Minute))
	}))
})
