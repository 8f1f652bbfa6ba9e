// Package objectstore is the store: manifest, archive, cache and host reports, in S3 or in
// a directory. What differs between stores ends here. Everything above sees one rule: an
// answer is certain (found, ErrNotFound, ErrNotModified, ErrConflict) or it is
// ErrUnavailable, with a reason and a sentence that says the way out.
package objectstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"deployer/providers"
)

// Options are what a store URL does not say. The zero value is what commands and the
// daemon want.
type Options struct {
	// Create makes the directory of a file store when it is missing. Only `init` sets it:
	// for everybody else a missing directory is an unmounted disk or a wrong URL, and must
	// not look like an empty store.
	Create bool
	// CredentialsFile replaces ~/.aws/credentials (and AWS_SHARED_CREDENTIALS_FILE).
	CredentialsFile string

	// Attempts is how often one call tries before it gives up. Default 3.
	Attempts int
	// HeaderTimeout is how long a try waits for the first byte of an answer. Default 15 s.
	HeaderTimeout time.Duration
	// StallTimeout is how long a body may stand still, in either direction. Default 30 s.
	StallTimeout time.Duration

	// PartSize is how large a body may be before it is sent in parts, and the size of a
	// part. Default 64 MiB and 16 MiB; S3 allows no parts below 5 MiB.
	PartSize int64

	// Proxy chooses the proxy of a request; default is the usual environment variables.
	// It is never asked for loopback endpoints.
	Proxy func(*http.Request) (*url.URL, error)
	// Sleep waits between tries. Tests replace it.
	Sleep func(context.Context, time.Duration) error
	// Jitter gives numbers in [0,1) that spread retries of many hosts. Tests replace it.
	Jitter func() float64
}

func (o Options) withDefaults() Options {
	if o.Attempts <= 0 {
		o.Attempts = 3
	}
	if o.HeaderTimeout <= 0 {
		o.HeaderTimeout = 15 * time.Second
	}
	if o.StallTimeout <= 0 {
		o.StallTimeout = 30 * time.Second
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return o
}

// Open gives the store that the URL names. It checks the URL and, for a file store, the
// directory; it asks no server anything, so that a daemon can start while its store is
// down. Missing credentials show in the first call, as CredentialsMissing.
func Open(_ context.Context, rawURL string, o Options) (providers.Objects, error) {
	loc, err := Parse(rawURL)
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	switch loc.Scheme {
	case SchemeFile:
		return openDir(loc, o)
	case SchemeS3:
		return openBucket(loc, o), nil
	}
	return nil, fmt.Errorf("opening store %s: no such scheme", loc)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
