package load

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Run asks until ctx ends, the time is over or the number is reached. What is under way then
// is finished, but for WebSockets and downloads, which are left without being counted.
func Run(ctx context.Context, o Options) (Report, error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return Report{}, fmt.Errorf("making load: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	began := time.Now()
	r := &recorder{failuresTo: o.Failures, ready: o.Ready}
	var workers sync.WaitGroup
	for _, w := range o.workers(r) {
		workers.Go(func() { w.work(ctx) })
	}
	workers.Go(func() { stopAt(ctx, cancel, r, o.MaxRequests) })
	workers.Wait()
	return r.report(began), nil
}

// workers makes one for each connection; all are known to the recorder before the first asks.
func (o *Options) workers(r *recorder) []*worker {
	var all []*worker
	for _, target := range o.Targets {
		for _, kind := range Kinds() {
			if target.Mix[kind] == 0 {
				continue
			}
			line := r.line(target.Name, kind, target.Mix[kind])
			for range target.Mix[kind] {
				all = append(all, &worker{o: o, host: target.Host, kind: kind, line: line, recorder: r})
			}
		}
	}
	return all
}

// stopAt ends the run at a number of requests, or a little later.
func stopAt(ctx context.Context, stop func(), r *recorder, limit int64) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for r.count() < limit {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
	stop()
}
