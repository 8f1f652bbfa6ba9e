package caddy

import (
	"bytes"
	"context"
	"time"

	"deployer/providers"
)

const (
	// lookEvery is how often our routes are looked at when nothing hints at a change, and
	// lookOften when hints have been seen to fail. A look every second is more than half of
	// what the idle daemon may use.
	lookEvery = 5 * time.Second
	lookOften = time.Second
	// misses is how many changes without a hint it takes: one may be seen on the way.
	misses = 2
	// knockEvery is how often a Caddy that is away is knocked at: until our routes are
	// back, people get errors.
	knockEvery = 100 * time.Millisecond
	// patience is how long Caddy may be away before that is told: a restart takes less,
	// and passes that fail meanwhile would only back off.
	patience = 2 * time.Second
)

// Watcher tells of routes of ours that vanished or changed, and of all services when
// Caddy is back: who knows with what configuration.
//
// Caddy tells nobody of changes. But it replaces its admin endpoint with every change, and
// closes the idle connections of the old one: so a connection that is kept ends when there
// is something to see, and at once when Caddy dies. Nobody promised that, so it is only a
// hint: looking now and then stays, and becomes looking every second when changes are seen
// that nothing hinted at, as through a proxy.
type Watcher struct {
	c     *Client
	names func() []string
	kept  *admin
	// hints has one entry when the kept connection ended.
	hints chan struct{}

	// last is what was seen last; nil before the first look.
	last *snapshot
	// away is since when Caddy does not answer; zero while it does.
	away time.Time
	told bool
	// unhinted counts the changes that were seen without a hint.
	unhinted int
}

var _ providers.Watcher = (*Watcher)(nil)

// Watcher makes one. Names are those of all services, for when Caddy is back.
func (c *Client) Watcher(names func() []string) *Watcher {
	w := &Watcher{c: c, names: names, hints: make(chan struct{}, 1)}
	w.kept = c.admin.keeping(func() {
		select {
		case w.hints <- struct{}{}:
		default:
		}
	})
	return w
}

// Watch looks until ctx ends. A Caddy that is away is not an error.
func (w *Watcher) Watch(ctx context.Context, changed func(service string)) error {
	defer w.kept.client.CloseIdleConnections()
	hinted, deaf := false, time.Duration(0)
	for ctx.Err() == nil {
		before := w.last
		pause := w.look(ctx, changed)
		news := before != nil && before.etag != w.last.etag
		if news && !hinted {
			w.unhinted++
		}
		if w.unhinted >= misses {
			pause = min(pause, lookOften)
		}
		if hinted && !news {
			deaf = longer(deaf, pause)
		} else {
			deaf = 0
		}
		wait(ctx, deaf, nil)
		hinted = wait(ctx, pause-deaf, w.hints)
	}
	return nil
}

// longer is how long hints are not heard after one that was for nothing. One such hint happens:
// a look sees a change before the old connection ends. But if something ends every connection
// that we make, looks are to come in nearly their own time: it doubles from one to the next.
func longer(deaf, pause time.Duration) time.Duration {
	return max(0, min(max(2*deaf, knockEvery), pause-knockEvery))
}

// wait reports whether a hint ended it. Without hints, it lasts as long as it is to.
func wait(ctx context.Context, pause time.Duration, hints <-chan struct{}) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-hints:
		return true
	}
	return false
}

// look compares what Caddy has with what it had, and says when to look again.
func (w *Watcher) look(ctx context.Context, changed func(string)) time.Duration {
	snap, err := w.read(ctx)
	switch {
	case ctx.Err() != nil:
		return 0
	case err != nil:
		w.missing(changed)
		return knockEvery
	case w.last == nil || !w.away.IsZero():
		w.unhinted = 0 // it may be another Caddy
		w.all(changed)
	case snap != w.last:
		for _, service := range changes(w.last, snap) {
			changed(service)
		}
	}
	w.last, w.away, w.told = snap, time.Time{}, false
	return lookEvery
}

// read leaves what it saw for the passes that follow. While Caddy is away, a connection is
// all that is asked for: most knocks find nobody.
func (w *Watcher) read(ctx context.Context) (*snapshot, error) {
	if !w.away.IsZero() {
		conn, err := w.c.admin.dial(ctx, "", "")
		if err != nil {
			return nil, err
		}
		conn.Close()
	}
	r := &w.c.reads
	r.mu.Lock()
	writes := r.writes
	r.mu.Unlock()
	asked := w.c.opts.Now()
	snap, err := w.c.readFrom(ctx, w.kept)
	if err == nil {
		r.keep(snap, asked, writes)
	}
	return snap, err
}

// missing notes that Caddy is away, and tells it when that lasts: status is to say so.
func (w *Watcher) missing(changed func(string)) {
	now := w.c.opts.Now()
	if w.away.IsZero() {
		w.away = now
	}
	if !w.told && now.Sub(w.away) >= patience {
		w.told = true
		w.all(changed)
	}
}

func (w *Watcher) all(changed func(string)) {
	for _, name := range w.names() {
		changed(name)
	}
}

// changes lists the services whose routes are not the same in both, or not reached in the
// same way.
func changes(before, after *snapshot) []string {
	var out []string
	for service := range before.places {
		if !sameRoute(before, after, service) {
			out = append(out, service)
		}
	}
	for service := range after.places {
		if _, known := before.places[service]; !known {
			out = append(out, service)
		}
	}
	return out
}

func sameRoute(before, after *snapshot, service string) bool {
	a, b := before.places[service], after.places[service]
	if _, found := after.places[service]; !found {
		return false
	}
	was, is := before.servers[a.server], after.servers[b.server]
	return was.name == is.name && was.misplaced[a.route] == is.misplaced[b.route] &&
		bytes.Equal(was.routes[a.route].raw, is.routes[b.route].raw)
}
