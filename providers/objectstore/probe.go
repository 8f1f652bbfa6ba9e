package objectstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"deployer/providers"
)

// probePrefix is where ProbeConditional works. A killed probe leaves one small object.
const probePrefix = ".probe/"

const cleanupTimeout = 10 * time.Second

// ProbeConditional reports whether the store honours IfAbsent and IfMatch; some take the
// headers and write all the same. False means: write as for a store without conditions
// (archive first, write, read back, compare), and warn.
//
// It writes and deletes one object below ".probe/", so only those who write manifests can
// and should ask, once per store. A user who may write the manifest but not ".probe/" gets
// AccessDenied: an error, and no verdict. Hosts never need it: each is the only writer of
// its report.
func ProbeConditional(ctx context.Context, objects providers.Objects) (bool, error) {
	key := probePrefix + rand.Text()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		_ = objects.Delete(ctx, key)
	}()
	ok, err := probe(ctx, objects, key)
	if err != nil {
		return false, fmt.Errorf("probing conditional writes: %w", err)
	}
	return ok, nil
}

func probe(ctx context.Context, objects providers.Objects, key string) (bool, error) {
	put := func(content string, o providers.PutOptions) (providers.ObjectInfo, error) {
		return objects.Put(ctx, key, strings.NewReader(content), o)
	}
	// Each line: what is tried, and whether a store that honours conditions lets it pass.
	first, err := put("first", providers.PutOptions{IfAbsent: true})
	if ok, err := verdict(err, true); !ok || err != nil {
		return false, err
	}
	_, err = put("again", providers.PutOptions{IfAbsent: true})
	if ok, err := verdict(err, false); !ok || err != nil {
		return false, err
	}
	_, err = put("second", providers.PutOptions{IfMatch: first.ETag})
	if ok, err := verdict(err, true); !ok || err != nil {
		return false, err
	}
	_, err = put("stale", providers.PutOptions{IfMatch: first.ETag})
	return verdict(err, false)
}

// verdict: did the put end as it does on a store that honours conditions?
func verdict(err error, mayPass bool) (bool, error) {
	var e *Error
	switch {
	case err == nil:
		return mayPass, nil
	case errors.Is(err, providers.ErrConflict):
		return !mayPass, nil
	case errors.As(err, &e) && e.Reason == NotSupported:
		return false, nil
	}
	return false, err
}
