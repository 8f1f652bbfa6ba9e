package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// download reads one long answer, and compares every byte with what it must be.
func (w *worker) download(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, w.o.DownloadFor+w.o.Timeout, errors.New("no end in time"))
	defer cancel()
	conn, err := w.connect(ctx)
	if err != nil {
		return "", err
	}
	path := fmt.Sprintf("/download?bytes=%d&seconds=%.0f", w.o.DownloadBytes, w.o.DownloadFor.Seconds())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.o.url(w.host, path), nil)
	if err != nil {
		return "", fmt.Errorf("making a request: %w", err)
	}
	response, err := conn.ask(request)
	if err != nil {
		return "", because(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", errors.New(response.Status)
	}
	// The first byte is what says that the download goes on, not its end 20 s later.
	if w.good == 0 {
		w.good++
		w.recorder.first()
	}
	if err := compare(response.Body, w.o.DownloadBytes); err != nil {
		return "", because(ctx, err)
	}
	return response.Header.Get(releaseHeader), nil
}

// compare reads got to its end, and wants so many bytes as they must be.
func compare(got io.Reader, size int) error {
	var want numbered
	buffer := make([]byte, 64<<10)
	began, at := time.Now(), 0
	for {
		n, err := got.Read(buffer)
		if !bytes.Equal(buffer[:n], want.next(n)) {
			return fmt.Errorf("wrong bytes between %d and %d", at, at+n)
		}
		at += n
		switch {
		case errors.Is(err, io.EOF) && at == size:
			return nil
		case err != nil:
			return fmt.Errorf("truncated after %d of %d bytes and %s: %w", at, size, time.Since(began).Round(time.Millisecond), err)
		case at > size:
			return fmt.Errorf("over %d bytes", size)
		}
	}
}
