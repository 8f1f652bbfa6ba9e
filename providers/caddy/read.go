package caddy

import (
	"context"
	"sync"
	"time"

	"deployer/providers"
)

// reads share one GET of the configuration among all services. It is read whole: the
// routes alone would not tell which server they belong in, and an If-Match on the whole
// makes every write a plain compare-and-swap.
type reads struct {
	mu sync.Mutex
	// flight is the reading under way, if any.
	flight *reading
	// last is the newest snapshot, and at the time it was asked for.
	last *snapshot
	at   time.Time
	// writes counts our own: a reading begun before one is not kept after it.
	writes int
}

// reading is one GET; snap and err are there once done is closed.
type reading struct {
	done chan struct{}
	snap *snapshot
	err  error
}

// read gives a snapshot that is at most MaxAge old and not older than our last write.
func (c *Client) read(ctx context.Context) (*snapshot, error) {
	r := &c.reads
	r.mu.Lock()
	if r.last != nil && !r.at.IsZero() && c.opts.Now().Sub(r.at) < c.opts.MaxAge {
		defer r.mu.Unlock()
		return r.last, nil
	}
	flight := r.flight
	if flight == nil {
		flight = &reading{done: make(chan struct{})}
		r.flight = flight
		// The reading outlives the caller who happened to be first: others wait for it.
		go c.fly(context.WithoutCancel(ctx), flight, r.writes)
	}
	r.mu.Unlock()
	select {
	case <-flight.done:
		return flight.snap, flight.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Client) fly(ctx context.Context, flight *reading, writes int) {
	asked := c.opts.Now()
	flight.snap, flight.err = c.readNow(ctx)
	r := &c.reads
	r.mu.Lock()
	if r.flight == flight {
		r.flight = nil
	}
	r.mu.Unlock()
	if flight.err == nil {
		r.keep(flight.snap, asked, writes)
	}
	close(flight.done)
}

// keep makes a reading the one that is shared, unless one of our writes has come since it
// was asked for, or a newer one is there.
func (r *reads) keep(snap *snapshot, asked time.Time, writes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writes == writes && !asked.Before(r.at) {
		r.last, r.at = snap, asked
	}
}

// readNow asks Caddy.
func (c *Client) readNow(ctx context.Context) (*snapshot, error) { return c.readFrom(ctx, c.admin) }

// readFrom asks Caddy over the connections of a. The same etag means the same bytes, which
// are not parsed again.
func (c *Client) readFrom(ctx context.Context, a *admin) (*snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.ReadTimeout)
	defer cancel()
	etag, body, err := a.get(ctx)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	c.reads.mu.Lock()
	last := c.reads.last
	c.reads.mu.Unlock()
	if last != nil && etag != "" && last.etag == etag {
		return last, nil
	}
	snap, err := parseSnapshot(etag, body)
	if err != nil {
		return nil, a.strange(err)
	}
	return snap, nil
}

// explain gives the better reason: old versions refuse a request over a unix socket for
// its host name.
func (c *Client) explain(ctx context.Context, err error) error {
	if providers.ReasonOf(err) != reasonRefused {
		return err
	}
	if old := c.requireVersion(ctx); old != nil {
		return old
	}
	return err
}

// forget is called around every write, whatever became of it. A reading under way may
// have seen the time before: nobody new may join it.
func (r *reads) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes++
	r.at = time.Time{}
	r.flight = nil
}
