package service

import (
	"context"
	"errors"
	"time"
)

// errPreempted ends a step because the manifest wants something else by now.
var errPreempted = errors.New("the manifest wants another release now")

// preemptLook is how often a long step looks whether it is still wanted.
const preemptLook = 250 * time.Millisecond

// preemptible lets a pull end early when the manifest names another release: a fix must not
// wait for the download of what it fixes. done gives errPreempted when that happened.
func (r *Reconciler) preemptible(ctx context.Context, step Step, s *Scope) (_ context.Context, done func() error) {
	if step.Name() != (stepPull{}).Name() || !s.Target.Wanted {
		return ctx, func() error { return nil }
	}
	ctx, cancel := context.WithCancelCause(ctx)
	revision := s.Assignment.Revision
	stopped := make(chan struct{})
	go func() {
		tick := time.NewTicker(preemptLook)
		defer tick.Stop()
		for {
			select {
			case <-stopped:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				if r.desired(s.Name).Revision != revision {
					cancel(errPreempted)
					return
				}
			}
		}
	}()
	return ctx, func() error {
		close(stopped)
		preempted := errors.Is(context.Cause(ctx), errPreempted)
		cancel(nil)
		if preempted {
			return errPreempted
		}
		return nil
	}
}
