// Package push takes a closure from the machine that built it to the manifest: check,
// sign, upload, read back, write. It is what deploy-push does.
//
// The order is the safety: the manifest names a closure only after all of it was read back
// from the cache with a good signature, so no host ever sees a release that it cannot pull.
package push

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"

	"deployer/providers"
)

// Options say what to push, and through what.
type Options struct {
	Service   string
	StorePath string
	Publisher providers.Publisher
	// Check says why the manifest would not take an update of the service: no such
	// service, no right to write. It comes first, so that nobody waits for an upload in vain.
	Check func(ctx context.Context, service string) error
	// Update writes the release into the manifest.
	Update func(ctx context.Context, r Release) error
	// Progress gets lines for people, the publisher's among them. May be nil.
	Progress func(line string)
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Release is what Update writes.
type Release struct {
	Service   string
	StorePath string
	// NarHash, sha256:…, as it was read back from the cache; hosts compare it with theirs.
	NarHash string
}

// Push does all of it. When it fails before the update, the manifest is as it was, and
// what was uploaded is harmless; running it again sends only what is missing.
func Push(ctx context.Context, o Options) (providers.Published, error) {
	if o.Publisher == nil || o.Check == nil || o.Update == nil {
		return providers.Published{}, errors.New("pushing: a publisher, a check and an update are needed")
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := o.Check(ctx, o.Service); err != nil {
		return providers.Published{}, err
	}
	began := o.Now()
	done, err := o.Publisher.Publish(ctx, providers.PublishRequest{StorePath: o.StorePath, Progress: o.Progress})
	if err != nil {
		return providers.Published{}, fmt.Errorf("pushing %s: %w", o.Service, err)
	}
	took := o.Now().Sub(began)
	logr.FromContextOrDiscard(ctx).V(1).Info("closure published", "service", o.Service, "path", o.StorePath, "duration", took)
	o.Progress(fmt.Sprintf("the cache has all %d paths, signed by %s (%s sent in %s)",
		done.Paths, done.SignedBy, bytes(done.Uploaded), took.Round(100*time.Millisecond)))
	if err := o.Update(ctx, Release{Service: o.Service, StorePath: o.StorePath, NarHash: done.NarHash}); err != nil {
		return done, fmt.Errorf("pushing %s: the closure is in the cache, the manifest is as it was: %w", o.Service, err)
	}
	return done, nil
}

// bytes is a size for people.
func bytes(n int64) string {
	const unit = 1 << 10
	switch {
	case n < unit:
		return fmt.Sprintf("%d B", n)
	case n < unit*unit:
		return fmt.Sprintf("%.1f KiB", float64(n)/unit)
	case n < unit*unit*unit:
		return fmt.Sprintf("%.1f MiB", float64(n)/(unit*unit))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(unit*unit*unit))
}
