package caddy

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"deployer/providers"
)

// attempts bounds how often we try again because somebody else was faster, or because
// Caddy dropped us.
const attempts = 6

// change is what one Put or Remove wants; a nil route is no route.
type change struct {
	service string
	route   *element
}

// writes let concurrent changes share one write: the first one opens a batch, waits a
// small window and for the write before, and takes along whoever came meanwhile. Every
// write re-provisions all of Caddy, so 1,000 routes are one write and not 1,000.
type writes struct {
	mu sync.Mutex
	// open is the batch that still takes changes.
	open *batch
	// writing is held while a batch is written: one write at a time.
	writing chan struct{}
}

// batch is a set of changes; errs is there once done is closed.
type batch struct {
	changes []change
	done    chan struct{}
	errs    map[string]error
}

// change joins a batch and waits for its end. A caller who gives up leaves his change in.
func (c *Client) change(ctx context.Context, ch change) error {
	w := &c.writes
	w.mu.Lock()
	b := w.open
	if b == nil {
		b = &batch{done: make(chan struct{})}
		w.open = b
		go c.flush(context.WithoutCancel(ctx), b)
	}
	b.add(ch)
	w.mu.Unlock()
	select {
	case <-b.done:
		return b.errs[ch.service]
	case <-ctx.Done():
		return ctx.Err()
	}
}

// add keeps one change per service: the last one said.
func (b *batch) add(ch change) {
	for i := range b.changes {
		if b.changes[i].service == ch.service {
			b.changes[i] = ch
			return
		}
	}
	b.changes = append(b.changes, ch)
}

func (c *Client) flush(ctx context.Context, b *batch) {
	w := &c.writes
	time.Sleep(c.opts.Window)
	w.writing <- struct{}{}
	defer func() { <-w.writing }()
	w.mu.Lock()
	w.open = nil
	w.mu.Unlock()
	defer close(b.done)
	b.errs = c.applyAll(ctx, b.changes)
}

// applyAll writes the changes together. When Caddy refuses them it tries each alone, so
// that one bad route stands in nobody else's way.
func (c *Client) applyAll(ctx context.Context, changes []change) map[string]error {
	errs := make(map[string]error, len(changes))
	err := c.apply(ctx, changes)
	alone := len(changes) > 1 && providers.ReasonOf(err) == reasonRefused
	for _, ch := range changes {
		if alone {
			err = c.apply(ctx, []change{ch})
		}
		errs[ch.service] = err
	}
	return errs
}

// apply reads, plans and writes under If-Match: again when somebody else was faster, and
// when the answer was dropped. In that case the new reading tells what became of it.
func (c *Client) apply(ctx context.Context, changes []change) error {
	var failed error
	for attempt := range attempts {
		snap, err := c.readNow(ctx)
		if err != nil {
			return err
		}
		req, err := c.opts.plan(snap, changes)
		if err != nil || req == nil {
			return err
		}
		if err := c.requireVersion(ctx); err != nil {
			return err
		}
		failed = c.send(ctx, req, snap.etag)
		if !errors.Is(failed, providers.ErrConflict) && !dropped(failed) {
			return failed
		}
		if err := after(ctx, 10*time.Millisecond<<attempt); err != nil {
			return err
		}
	}
	if dropped(failed) {
		return failed
	}
	return &providers.Fault{
		Reason:  "CaddyContended",
		Message: "somebody else keeps changing Caddy's configuration at the same time: stop the other writer, or wait",
		Err:     providers.ErrConflict,
	}
}

func (c *Client) send(ctx context.Context, req *request, etag string) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.WriteTimeout)
	defer cancel()
	c.reads.forget()
	defer c.reads.forget()
	if err := c.admin.send(ctx, req, etag); err != nil {
		return err
	}
	logr.FromContextOrDiscard(ctx).Info("changed Caddy's routes", "path", req.path, "etag", etag)
	return nil
}
