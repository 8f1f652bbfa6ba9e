// Package push takes a release from the source to the manifest: check, build, sign, upload,
// read back, write, wait. It is what deploy-push does.
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
	Service string
	// StorePath to push; empty when Build makes it.
	StorePath string
	// Build makes the closure and gives its store path. Nil when StorePath is there already.
	Build     func(ctx context.Context) (storePath string, err error)
	Publisher providers.Publisher
	// Check says why the manifest would not take an update of the service: no such
	// service, a hold. It comes first, so that nobody waits for a build or an upload in vain.
	Check func(ctx context.Context, service string) error
	// Update writes the release into the manifest and gives the generation that has it.
	Update func(ctx context.Context, r Release) (generation int64, err error)
	// Wait watches the hosts until each has a verdict on what was pushed. Nil: nobody waits.
	Wait func(ctx context.Context, d Deployed) error
	// Progress gets lines for people, the publisher's among them. May be nil.
	Progress func(line string)
	// Watch is told how far the upload is. May be nil.
	Watch func(providers.PublishProgress)
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

// Deployed is a release that the manifest names.
type Deployed struct {
	Release
	// Generation that names it: hosts that obey an older one do not know of it yet.
	Generation int64
	// Published is what the cache has of it.
	Published providers.Published
}

// UpdateError means that the closure is in the cache, and the manifest was not written, or
// nobody knows whether it was.
type UpdateError struct {
	Service string
	Err     error
}

// Error says how far the push came.
func (e *UpdateError) Error() string {
	return fmt.Sprintf("pushing %s: the closure is in the cache; writing the manifest: %v", e.Service, e.Err)
}

// Unwrap gives the cause.
func (e *UpdateError) Unwrap() error { return e.Err }

func (o Options) withDefaults() Options {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Push does all of it. When it fails before the update, the manifest is as it was, and
// what was uploaded is harmless; running it again sends only what is missing. What it
// gives is what was reached.
func Push(ctx context.Context, o Options) (Deployed, error) {
	if o.Publisher == nil || o.Check == nil || o.Update == nil {
		return Deployed{}, errors.New("pushing: a publisher, a check and an update are needed")
	}
	o = o.withDefaults()
	storePath, err := o.prepare(ctx)
	if err != nil {
		return Deployed{}, err
	}
	d := Deployed{Release: Release{Service: o.Service, StorePath: storePath}}
	if d.Published, err = o.publish(ctx, storePath); err != nil {
		return d, fmt.Errorf("pushing %s: the manifest is as it was: %w", o.Service, err)
	}
	d.NarHash = d.Published.NarHash
	if d.Generation, err = o.Update(ctx, d.Release); err != nil {
		return d, &UpdateError{Service: o.Service, Err: err}
	}
	if o.Wait == nil {
		return d, nil
	}
	return d, o.Wait(ctx, d)
}

// Preview is what a push would do.
type Preview struct {
	Service   string
	StorePath string
	Upload    providers.PublishPlan
}

// DryRun checks and builds, as Push does, and then only looks: neither the cache nor the
// manifest is changed.
func DryRun(ctx context.Context, o Options) (Preview, error) {
	if o.Publisher == nil || o.Check == nil {
		return Preview{}, errors.New("trying a push: a publisher and a check are needed")
	}
	storePath, err := o.withDefaults().prepare(ctx)
	if err != nil {
		return Preview{}, err
	}
	plan, err := o.Publisher.Plan(ctx, storePath)
	if err != nil {
		return Preview{}, fmt.Errorf("trying a push of %s: %w", o.Service, err)
	}
	return Preview{Service: o.Service, StorePath: storePath, Upload: plan}, nil
}

// prepare gives the store path, after the check.
func (o Options) prepare(ctx context.Context) (storePath string, err error) {
	if err := o.Check(ctx, o.Service); err != nil {
		return "", err
	}
	if o.Build == nil {
		return o.StorePath, nil
	}
	began := o.Now()
	if storePath, err = o.Build(ctx); err != nil {
		return "", err
	}
	o.Progress(fmt.Sprintf("built %s in %s", storePath, o.Now().Sub(began).Round(100*time.Millisecond)))
	return storePath, nil
}

func (o Options) publish(ctx context.Context, storePath string) (providers.Published, error) {
	began := o.Now()
	done, err := o.Publisher.Publish(ctx, providers.PublishRequest{StorePath: storePath, Progress: o.Progress, Watch: o.Watch})
	if err != nil {
		return providers.Published{}, err
	}
	took := o.Now().Sub(began)
	logr.FromContextOrDiscard(ctx).V(1).Info("closure published", "service", o.Service, "path", storePath, "duration", took)
	o.Progress(fmt.Sprintf("the cache has all %d paths, signed by %s (%s sent in %s)",
		done.Paths, done.SignedBy, Bytes(done.Uploaded), took.Round(100*time.Millisecond)))
	return done, nil
}

// Bytes is a size for people.
func Bytes(n int64) string {
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
