package objectstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"deployer/providers"
)

const (
	firstPause = 200 * time.Millisecond
	// longestPause is how long one call waits for a store that said Retry-After. A longer
	// wish goes back to the caller, whose own backoff honours it.
	longestPause = 5 * time.Second
)

// attempt is one call on the store, tried a few times.
type attempt struct {
	op, key string
	// once: an unclear answer ends it. A conditional write that was tried again after an
	// unclear answer could lose against itself and report a conflict that is none.
	once bool
}

// run calls f until its answer is certain, the error is one that time does not heal, or
// the attempts are used up. f returns a sentinel for a certain answer, and the SDK's error
// for anything else.
func (b *bucket) run(ctx context.Context, a attempt, f func(context.Context, *s3.Client) error) error {
	renewed := false
	pause := firstPause
	for n := 1; ; n++ {
		err := b.once(ctx, f)
		if err == nil || isCertain(err) {
			return err
		}
		var unreadable *contentError
		if errors.As(err, &unreadable) {
			return fmt.Errorf("%s %s: %w", a.op, a.key, unreadable)
		}
		e := b.explain(ctx, a, err)
		if aboutCredentials(e) && !renewed {
			renewed = true
			if b.session.renew(ctx) {
				continue
			}
		}
		wait := max(e.Wait, pause/2+time.Duration(b.o.Jitter()*float64(pause/2)))
		if n >= b.o.Attempts || !healsWithTime(e) || (a.once && !notDone(e)) || wait > longestPause {
			return e
		}
		if b.o.Sleep(ctx, wait) != nil {
			return e
		}
		pause *= 3
	}
}

func (b *bucket) once(ctx context.Context, f func(context.Context, *s3.Client) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	client, err := b.session.current(ctx)
	if err != nil {
		return err
	}
	return f(ctx, client)
}

func isCertain(err error) bool {
	if errors.Is(err, providers.ErrUnavailable) {
		return false
	}
	return errors.Is(err, providers.ErrNotFound) || errors.Is(err, providers.ErrNotModified) || errors.Is(err, providers.ErrConflict)
}

func aboutCredentials(e *Error) bool {
	switch e.Reason {
	case AccessDenied, CredentialsExpired, CredentialsInvalid, CredentialsMissing:
		return true
	}
	return false
}

func healsWithTime(e *Error) bool {
	switch e.Reason {
	case StoreUnreachable, Slow, ServerError:
		return true
	}
	return false
}
