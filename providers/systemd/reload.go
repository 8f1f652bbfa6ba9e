package systemd

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"deployer/providers"
)

const (
	// gather is how long a reload waits for others to join: it costs 0.1 s with 170 units
	// and 1.5 s with 1,000, however many of them changed.
	gather = 10 * time.Millisecond
	// reloadTimeout bounds one reload.
	reloadTimeout = 90 * time.Second
	// reloadTries and reloadPause: a reload that fails is tried again at once; for longer
	// trouble the caller backs off.
	reloadTries = 2
	reloadPause = 200 * time.Millisecond
)

// reloader makes concurrent callers share a daemon-reload. Each caller gets the result of
// one that began after its call, so that it saw the caller's files.
type reloader struct {
	run func(context.Context) error
	// running: one of our reloads is under way.
	running atomic.Bool

	mu   sync.Mutex
	next *sharedReload // not begun
	busy bool
}

type sharedReload struct {
	done chan struct{}
	err  error
}

func newReloader(run func(context.Context) error) *reloader { return &reloader{run: run} }

// do joins the next reload and waits for it. The reload goes on when ctx ends: others wait.
func (r *reloader) do(ctx context.Context) error {
	r.mu.Lock()
	if r.next == nil {
		r.next = &sharedReload{done: make(chan struct{})}
	}
	mine := r.next
	if !r.busy {
		r.busy = true
		go r.loop(context.WithoutCancel(ctx))
	}
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return unavailable("waiting for daemon-reload", ctx.Err())
	}
}

func (r *reloader) loop(ctx context.Context) {
	for {
		time.Sleep(gather)
		r.mu.Lock()
		current := r.next
		r.next = nil
		if current == nil {
			r.busy = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		r.running.Store(true)
		current.err = r.run(ctx)
		r.running.Store(false)
		close(current.done)
	}
}

// daemonReload is one reload, tried again when it fails.
func (m *Manager) daemonReload(ctx context.Context) error {
	var err error
	for try := range reloadTries {
		if try > 0 {
			time.Sleep(reloadPause)
		}
		err = m.conn.once(ctx, reloadTimeout, func(ctx context.Context, b Bus) error { return b.Reload(ctx) })
		if err == nil {
			return nil
		}
	}
	return &providers.Fault{
		Reason:  "ReloadFailed",
		Message: "systemctl daemon-reload fails; units keep their old text until it works (it needs 16 MB free in /run)",
		Err:     fmt.Errorf("%w: %w", providers.ErrUnavailable, err),
	}
}
