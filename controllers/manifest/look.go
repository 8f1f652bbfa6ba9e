package manifest

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"

	"deployer/providers"
	"deployer/reconcile"
)

// wholeEvery is how often the manifest is read without asking whether its ETag changed:
// there are stores and caches that give new content under an old ETag.
const wholeEvery = time.Minute

// Run enqueues all names, and then polls until ctx ends.
func (s *Source) Run(ctx context.Context, q reconcile.Queue) error {
	// Before the names: what a Sync changes meanwhile must not get lost.
	s.mu.Lock()
	s.queue = q
	s.mu.Unlock()
	log := logr.FromContextOrDiscard(ctx)
	if err := s.enqueueAll(ctx, q); err != nil {
		// The store and the disk may both be away at boot; the full pass comes again.
		log.Error(err, "listing the services of this host")
	}
	var pacer pacer
	said := ""
	for {
		changed, err := s.look(ctx, s.etag())
		if text := textOf(err); text != said && ctx.Err() == nil {
			if said = text; err != nil {
				log.Error(err, "the manifest in the store is not in force")
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-time.After(pacer.next(s.o.Pace, len(changed), err, s.o.Now())):
		}
	}
}

// Sync looks at once, whatever the ETag, enqueues what changed, and says why the store's
// content is not in force when it is not.
func (s *Source) Sync(ctx context.Context) (changed []string, err error) {
	return s.look(ctx, "")
}

// Wake asks for a look at once, and does not wait.
func (s *Source) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// etag is what the next look may compare with; empty when it is to read the whole.
func (s *Source) etag() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.o.Now().Sub(s.wholeAt) >= wholeEvery {
		return ""
	}
	return s.status.ETag
}

// look reads the store once, and enqueues and gives the names whose assignment changed.
func (s *Source) look(ctx context.Context, etag string) (changed []string, err error) {
	s.looking.Lock()
	defer s.looking.Unlock()
	read, err := s.o.Repository.ReadIfChanged(ctx, etag)
	switch {
	case errors.Is(err, providers.ErrNotModified):
		err = s.standing()
	case err == nil:
		changed, err = s.consider(ctx, read)
	}
	s.note(ctx, read, err)
	s.mu.Lock()
	queue := s.queue
	s.mu.Unlock()
	for _, name := range changed {
		if queue != nil {
			queue.Enqueue(name)
		}
	}
	return changed, err
}

// standing repeats what was decided of the content that is still there.
func (s *Source) standing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// note keeps the status of the look and lets those go on who wait for one. An ETag is
// kept only with a decision about its content: what could not be decided, for the disk
// was full, say, is read again.
func (s *Source) note(ctx context.Context, read *Snapshot, err error) {
	now := s.o.Now().UTC()
	s.mu.Lock()
	before, problemBefore := s.status, textOf(s.problem)
	s.problem = err
	switch {
	case ctx.Err() != nil:
	case err == nil:
		s.status.LastRead, s.status.StaleSince = now, nil
	case s.status.StaleSince == nil:
		s.status.StaleSince = &now
	}
	switch decided := err == nil || isRefusal(err); {
	case read != nil && decided:
		s.status.ETag, s.wholeAt = read.ETag, s.o.Now()
	case !decided:
		s.status.ETag = ""
	}
	after := s.status
	s.mu.Unlock()
	if before != after || problemBefore != textOf(err) {
		s.o.OnChange(after)
	}
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
