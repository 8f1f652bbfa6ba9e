package load

import (
	"context"
	"errors"
	"time"
)

// worker is one connection.
type worker struct {
	o        *Options
	host     string
	kind     Kind
	line     *Line
	recorder *recorder

	conn connection
	// good answers so far, of which the first is told to the recorder.
	good int
}

// afterFailure keeps a worker whose target is gone from turning in circles.
const afterFailure = 50 * time.Millisecond

// work asks until ctx ends.
func (w *worker) work(ctx context.Context) {
	defer w.hangUp()
	for ctx.Err() == nil {
		switch w.kind {
		case WebSocket:
			w.talk(ctx)
		case Download:
			w.count(ctx, func(ctx context.Context) (string, error) { return w.download(ctx) })
		default:
			// Without ctx's end: what was sent gets its answer.
			w.count(context.WithoutCancel(ctx), w.request)
		}
		pause(ctx, w.o.Pause)
	}
}

// request is one of the short ones.
func (w *worker) request(ctx context.Context) (release string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, w.o.Timeout, errors.New("no answer in time"))
	defer cancel()
	switch {
	case w.kind == Post, w.kind == HTTP2 && w.good%2 == 1:
		return w.post(ctx)
	case w.kind == Slow:
		return w.get(ctx, "/slow?for=500ms")
	}
	return w.get(ctx, "/")
}

// count does something once and records how it went; what was cut short by the end of ctx is
// not counted.
func (w *worker) count(ctx context.Context, do func(context.Context) (string, error)) {
	began := time.Now()
	release, err := do(ctx)
	w.record(ctx, began, release, err)
	if err != nil {
		w.hangUp()
		pause(ctx, afterFailure)
	}
}

func (w *worker) record(ctx context.Context, began time.Time, release string, err error) {
	switch {
	case err != nil && ctx.Err() != nil:
	case err != nil:
		w.recorder.failed(w.line, began, err)
	default:
		w.recorder.good(w.line, release, time.Since(began))
		if w.good++; w.good == 1 {
			w.recorder.first()
		}
	}
}

func (w *worker) hangUp() {
	if w.conn != nil {
		w.conn.close()
		w.conn = nil
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
