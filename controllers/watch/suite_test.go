package watch

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/reconcile"
)

// suite is what synctest needs and Ginkgo has not: the real *testing.T.
var suite *testing.T

func TestWatch(t *testing.T) {
	suite = t
	RegisterFailHandler(Fail)
	RunSpecs(t, "watch")
}

// bubble makes a spec whose time is synctest's: minutes pass at once, and every figure is
// exact.
func bubble(spec func(b *bench)) func() {
	return func() {
		synctest.Test(suite, func(*testing.T) {
			defer GinkgoRecover()
			b := &bench{begin: time.Now(), known: map[string]bool{"web": true}}
			defer b.end()
			spec(b)
		})
	}
}

// bench is the real engine with a Pacer, and a reconciler that does what a spec says.
type bench struct {
	begin      time.Time
	known      map[string]bool
	generation atomic.Int64
	changed    func(string)
	engine     *reconcile.Controller
	stop       context.CancelFunc
	ended      chan error

	mu     sync.Mutex
	passes []time.Duration
}

// watcher is a function that is a providers.Watcher.
type watcher func(ctx context.Context, changed func(string)) error

var _ providers.Watcher = watcher(nil)

func (w watcher) Watch(ctx context.Context, changed func(string)) error { return w(ctx, changed) }

// start runs the engine; the events of a spec come in through b.changed.
func (b *bench) start(r reconcile.Func, more ...providers.Watcher) {
	p := New(Options{
		Known:      func(name string) bool { return b.known[name] },
		Generation: func(string) int64 { return b.generation.Load() },
	})
	b.engine = reconcile.New(p.Around(reconcile.Func(func(ctx context.Context, name string) (reconcile.Result, error) {
		b.mu.Lock()
		b.passes = append(b.passes, time.Since(b.begin))
		b.mu.Unlock()
		return r(ctx, name)
	})), reconcile.Options{Name: "test", Backoff: reconcile.Backoff{Base: time.Second, Max: 5 * time.Minute}})
	var sources []reconcile.Source
	for _, w := range append(more, watcher(func(ctx context.Context, changed func(string)) error {
		b.changed = changed
		<-ctx.Done()
		return nil
	})) {
		sources = append(sources, p.Source(w))
	}
	ctx, stop := context.WithCancel(context.Background())
	b.stop, b.ended = stop, make(chan error, 1)
	go func() { b.ended <- b.engine.Run(ctx, sources...) }()
	synctest.Wait()
}

func (b *bench) end() {
	if b.stop != nil {
		b.stop()
		Expect(<-b.ended).To(Succeed())
	}
}

// at gives the times of all passes, and forgets them.
func (b *bench) at() []time.Duration {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.passes
	b.passes = nil
	return out
}

func ms(times ...int) []time.Duration {
	var out []time.Duration
	for _, t := range times {
		out = append(out, time.Duration(t)*time.Millisecond)
	}
	return out
}

// gaps are the times between passes, in whole seconds.
func gaps(times []time.Duration) []int {
	var out []int
	for i := 1; i < len(times); i++ {
		out = append(out, int((times[i]-times[i-1]).Seconds()+0.5))
	}
	return out
}
