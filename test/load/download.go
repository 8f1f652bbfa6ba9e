package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"deployer/test/load/stream"
)

// downloadBytes is the length of a download: enough that no buffer on the way holds it all.
const downloadBytes = 20 << 20

// download reads one long answer, and compares every byte with what it must be.
func (w *worker) download(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, w.o.DownloadFor+w.o.Timeout, errors.New("no end in time"))
	defer cancel()
	conn, err := w.connect(ctx)
	if err != nil {
		return "", err
	}
	seed := rand.Uint64()
	path := fmt.Sprintf("/download?bytes=%d&for=%s&seed=%d", downloadBytes, w.o.DownloadFor, seed)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.o.url(w.host, path), nil)
	if err != nil {
		return "", fmt.Errorf("making a request: %w", err)
	}
	response, err := conn.http.RoundTrip(request)
	if err != nil {
		return "", because(ctx, err)
	}
	defer response.Body.Close()
	conn.goodbye = response.Close
	if response.StatusCode != http.StatusOK {
		return "", errors.New(response.Status)
	}
	// The first byte is what says that the download goes on, not its end 20 s later.
	if w.good == 0 {
		w.good++
		w.recorder.first()
	}
	if err := compare(response.Body, stream.New(seed)); err != nil {
		return "", because(ctx, err)
	}
	return response.Header.Get(releaseHeader), nil
}

// compare reads got to its end, and wants downloadBytes of what want gives.
func compare(got, want io.Reader) error {
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	began, at := time.Now(), 0
	for {
		n, err := got.Read(a)
		if _, wantErr := io.ReadFull(want, b[:n]); wantErr != nil {
			return wantErr
		}
		if !bytes.Equal(a[:n], b[:n]) {
			return fmt.Errorf("wrong bytes between %d and %d", at, at+n)
		}
		at += n
		switch {
		case errors.Is(err, io.EOF) && at == downloadBytes:
			return nil
		case err != nil:
			return fmt.Errorf("truncated after %d of %d bytes and %s: %w", at, downloadBytes, time.Since(began).Round(time.Millisecond), err)
		case at > downloadBytes:
			return fmt.Errorf("over %d bytes", downloadBytes)
		}
	}
}
