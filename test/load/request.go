package load

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
)

// releaseHeader is on every answer of the test program.
const releaseHeader = "X-Release"

// maxBody is what a short answer may have; more is wrong whatever it is.
const maxBody = 1 << 20

// get asks for a path, and expects the release's name and nothing else.
func (w *worker) get(ctx context.Context, path string) (string, error) {
	release, body, err := w.exchange(ctx, http.MethodGet, path, nil)
	if err == nil && string(body) != release+"\n" {
		err = fmt.Errorf("wrong body: release %s answers %q", release, beginning(body))
	}
	return release, err
}

// post sends up to 16 kB, and expects exactly them.
func (w *worker) post(ctx context.Context) (string, error) {
	sent := make([]byte, 1+rand.IntN(16<<10))
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], rand.Uint64())
	if _, err := rand.NewChaCha8(seed).Read(sent); err != nil {
		return "", fmt.Errorf("making noise: %w", err)
	}
	release, body, err := w.exchange(ctx, http.MethodPost, "/echo", sent)
	if err == nil && sha256.Sum256(body) != sha256.Sum256(sent) {
		err = fmt.Errorf("wrong body: %d bytes were sent, and %d others came back", len(sent), len(body))
	}
	return release, err
}

// exchange sends one request on the worker's connection and reads its whole answer.
func (w *worker) exchange(ctx context.Context, method, path string, sent []byte) (release string, body []byte, err error) {
	conn, err := w.connect(ctx)
	if err != nil {
		return "", nil, err
	}
	var content io.Reader
	if sent != nil {
		// Not a bytes.Reader: of that Go knows how to send it again.
		content = struct{ io.Reader }{bytes.NewReader(sent)}
	}
	request, err := http.NewRequestWithContext(ctx, method, w.o.url(w.host, path), content)
	if err != nil {
		return "", nil, fmt.Errorf("making a request: %w", err)
	}
	request.ContentLength = int64(len(sent))
	response, err := conn.ask(request)
	if err != nil {
		return "", nil, because(ctx, err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxBody))
	return judge(response, body, because(ctx, err))
}

// judge says what is wrong with an answer.
func judge(response *http.Response, body []byte, err error) (string, []byte, error) {
	release := response.Header.Get(releaseHeader)
	switch {
	case err != nil:
		err = fmt.Errorf("truncated after %d bytes: %w", len(body), err)
	case response.StatusCode < 200 || response.StatusCode > 299:
		err = fmt.Errorf("%s: %q", response.Status, beginning(body))
	case release == "":
		err = errors.New("wrong answer: no release gave it")
	}
	return release, body, err
}

// because tells why a context ended, where the error of the connection says only that it did.
func because(ctx context.Context, err error) error {
	why := context.Cause(ctx)
	if err == nil || why == nil || errors.Is(err, why) {
		return err
	}
	return fmt.Errorf("%w: %w", why, err)
}

func beginning(body []byte) []byte { return body[:min(len(body), 80)] }
