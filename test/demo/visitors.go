package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"deployer/test/env"
)

// visitors ask each host for the page, one request after the other, until they leave.
type visitors struct {
	stop context.CancelFunc
	all  sync.WaitGroup

	mu       sync.Mutex
	requests int
	failed   []error
	releases []string
}

// arrive lets one visitor of each host begin.
func (d *demo) arrive(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	d.visitors = &visitors{stop: stop}
	for _, h := range d.hosts() {
		d.visitors.all.Go(func() { d.visit(ctx, d.visitors, h) })
	}
}

func (d *demo) visit(ctx context.Context, v *visitors, h *env.Host) {
	for ctx.Err() == nil {
		answer, err := d.ask(ctx, h)
		if ctx.Err() != nil {
			return // it left in the middle of a request
		}
		v.mu.Lock()
		v.requests++
		switch {
		case err != nil:
			v.failed = append(v.failed, err)
		case !slices.Contains(v.releases, answer):
			v.releases = append(v.releases, answer)
		}
		v.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
	}
}

// leave ends the visits; without any it does nothing.
func (v *visitors) leave() {
	if v == nil {
		return
	}
	v.stop()
	v.all.Wait()
}

// content says how the visitors fared, after they have left. Each has to have got its page,
// from these releases and no other.
func (d *demo) content(releases ...string) error {
	v := d.visitors
	v.leave()
	d.note("meanwhile %d requests to ava and biz: %d failed; answered by %s", v.requests, len(v.failed), strings.Join(v.releases, ", "))
	if len(v.failed) > 0 {
		return errors.Join(v.failed[:min(3, len(v.failed))]...)
	}
	slices.Sort(v.releases)
	slices.Sort(releases)
	if !slices.Equal(v.releases, releases) {
		return fmt.Errorf("they were answered by %v, and not by %v", v.releases, releases)
	}
	return nil
}
