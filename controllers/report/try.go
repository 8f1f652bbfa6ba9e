package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Try tells whether this host may write its report, without saying anything new: what is in
// the store is written once more, and only if it is still the same. Where there is none yet, a
// write is asked for that the store has to turn down for another reason than who asks. (A
// store that honours no conditions has then a report of no services until the daemon's.)
func Try(ctx context.Context, objects providers.Objects, host string) error {
	data, etag, err := written(ctx, objects, host)
	// Who may write there may still not read, or not be told that there is nothing.
	if errors.Is(err, providers.ErrNotFound) || providers.ReasonOf(err) == "AccessDenied" {
		const ofNothing = `"0123456789abcdef0123456789abcdef"`
		data, err = forStore(v1.HostState{APIVersion: v1.APIVersion, Kind: v1.KindHostState, Host: host})
		etag = ofNothing
	}
	if err != nil {
		return err
	}
	_, err = objects.Put(ctx, v1.ReportKey(host), bytes.NewReader(data), providers.PutOptions{IfMatch: etag, ContentType: "application/json"})
	if errors.Is(err, providers.ErrConflict) {
		return nil // it was the condition: the daemon wrote meanwhile, or there is none yet
	}
	return err
}

// written is the report that is in the store.
func written(ctx context.Context, objects providers.Objects, host string) (data []byte, etag string, err error) {
	key := v1.ReportKey(host)
	object, err := objects.Get(ctx, key, providers.GetOptions{MaxBytes: 1 << 20})
	if err != nil {
		return nil, "", err // it names the key
	}
	defer object.Body.Close()
	if data, err = io.ReadAll(object.Body); err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", key, err)
	}
	return data, object.ETag, nil
}
