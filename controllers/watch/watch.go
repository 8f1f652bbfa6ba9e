// Package watch turns what watchers tell of a host into passes: soon, for people wait, and
// paced, for somebody may be changing back what we change.
//
// An event is only a reason to look. That it may be lost, doubled, or caused by ourselves
// is the rule: the pass looks for itself, and the full pass comes anyway.
package watch

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"deployer/providers"
	"deployer/reconcile"
)

// Options of New. Known and Generation are required.
type Options struct {
	// Known reports whether a name is a service of this host. Watchers see other things,
	// too, that look like one: every unit has a name.
	Known func(name string) bool
	// Generation is that of what people want of a name. A new one begins anew with the
	// pace: who edits the manifest is not the one whom we fight.
	Generation func(name string) int64
	Now        func() time.Time
}

// Pacer stands between the watchers and the queue, and beside the passes.
type Pacer struct {
	o Options

	mu    sync.Mutex
	queue reconcile.Queue
	paces map[string]*pace
}

// New makes a Pacer.
func New(o Options) *Pacer {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Pacer{o: o, paces: map[string]*pace{}}
}

// Source is a watcher as a source of names. A watcher that ends, or panics, is logged: it
// is never a reason to stop what all the others, and the full pass, go on to heal.
func (p *Pacer) Source(w providers.Watcher) reconcile.Source {
	return reconcile.SourceFunc(func(ctx context.Context, q reconcile.Queue) error {
		p.mu.Lock()
		p.queue = q
		p.mu.Unlock()
		if err := safely(ctx, w, p.Changed); err != nil && ctx.Err() == nil {
			logr.FromContextOrDiscard(ctx).Error(err, "a watcher ended; what it told of is seen by the full pass now", "kind", fmt.Sprintf("%T", w))
		}
		return nil
	})
}

func safely(ctx context.Context, w providers.Watcher, changed func(string)) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w\n%s", &reconcile.PanicError{Value: v}, debug.Stack())
		}
	}()
	return w.Watch(ctx, changed)
}

// Changed is what watchers call. It never blocks.
func (p *Pacer) Changed(name string) {
	if !p.o.Known(name) {
		return
	}
	generation := p.o.Generation(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ask(name, p.of(name).event(p.o.Now(), generation))
}

// Around notes each pass of r: what it did tells what the events meant that it was for,
// and those that it caused.
func (p *Pacer) Around(r reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, name string) (result reconcile.Result, err error) {
		p.begin(name)
		end := failed // by a panic, unless it comes to its end
		defer func() { p.end(name, end) }()
		result, err = r.Reconcile(ctx, name)
		end = outcomeOf(result, err)
		return result, err
	})
}

func outcomeOf(result reconcile.Result, err error) outcome {
	switch {
	case err != nil:
		return failed
	case result.Progressed && result.RequeueAfter > 0:
		return moving
	case result.Progressed:
		return healed
	case result.RequeueAfter > 0:
		return waiting
	}
	return quiet
}

func (p *Pacer) begin(name string) {
	generation := p.o.Generation(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of(name).begin(p.o.Now(), generation)
}

func (p *Pacer) end(name string, o outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ask(name, p.of(name).end(p.o.Now(), o))
}

// ask asks for a pass after that delay, if there is any.
func (p *Pacer) ask(name string, after time.Duration) {
	if after > 0 && p.queue != nil {
		p.queue.EnqueueAfter(name, after)
	}
}

func (p *Pacer) of(name string) *pace {
	known, ok := p.paces[name]
	if !ok {
		known = &pace{}
		p.paces[name] = known
	}
	return known
}
