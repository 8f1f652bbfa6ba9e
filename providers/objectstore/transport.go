package objectstore

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Causes that the patient client puts in place of "context canceled".
var (
	errNoAnswer = errors.New("no answer in time")
	errStalled  = errors.New("no progress in time")
	errNoLength = errors.New("an answer whose end cannot be told from a broken connection")
)

const (
	maxErrorBody = 64 << 10
	maxListBody  = 4 << 20 // a page is 1,000 keys of at most 1,024 bytes
)

// streaming marks the context of a request whose body goes to the caller unbounded.
// Everything else the SDK reads into memory, so it is bounded here: a broken server must
// not be able to fill it.
type streaming struct{}

// patientClient is an HTTP client that gives up when nothing moves: not on the length of
// the whole exchange, which a large object may well take, but on silence. One timer
// covers dialling, TLS, sending, waiting and receiving.
type patientClient struct {
	next   *http.Client
	header time.Duration
	stall  time.Duration
}

// newPatientClient follows no redirect: a signed request is good for one host only, and a
// captive portal's redirect must not be read as the store's answer.
func newPatientClient(t *http.Transport, o Options) *patientClient {
	return &patientClient{
		next: &http.Client{
			Transport:     t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		header: o.HeaderTimeout,
		stall:  o.StallTimeout,
	}
}

// Do sends one request. The body of the answer must be closed.
func (c *patientClient) Do(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	allow := c.header
	if req.Body != nil && req.Body != http.NoBody {
		// The kernel may hold megabytes that a slow line still has to carry.
		allow += c.stall
	}
	timer := time.AfterFunc(allow, func() { cancel(errNoAnswer) })
	stop := func() { timer.Stop(); cancel(nil) }
	var answered atomic.Bool // a server may answer while the body is still being sent
	progress := func() {
		if timer.Reset(allow); answered.Load() {
			timer.Stop()
		}
	}

	marked := req.Context().Value(streaming{}) != nil
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		tell, _ := ctx.Value(sending{}).(sent)
		req.Body = &sentBody{ReadCloser: req.Body, progress: progress, tell: tell}
	}
	resp, err := c.next.Do(req)
	if err != nil {
		defer stop()
		return nil, causeOf(ctx, err)
	}
	answered.Store(true)
	timer.Stop()
	if err := checkEnd(req, resp); err != nil {
		defer stop()
		_ = resp.Body.Close()
		return nil, err
	}
	receiving := time.AfterFunc(c.stall, func() { cancel(errStalled) })
	receiving.Stop()
	var body io.Reader = resp.Body
	switch {
	case resp.StatusCode >= 300:
		body = io.LimitReader(body, maxErrorBody)
	case !marked:
		body = io.LimitReader(body, maxListBody)
	}
	resp.Body = &receivedBody{
		ctx: ctx, Reader: body, Closer: resp.Body, timer: receiving, allow: c.stall,
		stop: func() { receiving.Stop(); stop() },
	}
	return resp, nil
}

// checkEnd refuses an HTTP/1 answer that ends only when the connection does: cut short, it
// would look whole.
func checkEnd(req *http.Request, resp *http.Response) error {
	closeDelimited := resp.ProtoMajor == 1 && resp.ContentLength < 0 && len(resp.TransferEncoding) == 0
	if closeDelimited && req.Method != http.MethodHead && resp.StatusCode < 300 {
		return errNoLength
	}
	return nil
}

// causeOf prefers our own reason to the "context canceled" that it arrives as.
func causeOf(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, errNoAnswer) || errors.Is(cause, errStalled) {
		return cause
	}
	return err
}

type sentBody struct {
	io.ReadCloser
	progress func()
	// tell may be nil.
	tell sent
}

// Read is called by the transport as it sends.
func (b *sentBody) Read(p []byte) (int, error) {
	b.progress()
	n, err := b.ReadCloser.Read(p)
	if b.tell != nil && n > 0 {
		b.tell(int64(n))
	}
	return n, err
}

// receivedBody watches one Read at a time: a caller that thinks between two is no stall.
type receivedBody struct {
	ctx context.Context
	io.Reader
	io.Closer
	timer *time.Timer
	allow time.Duration
	stop  func()
}

// Read reads what arrives within the allowed silence.
func (b *receivedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.allow)
	n, err := b.Reader.Read(p)
	b.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = causeOf(b.ctx, err)
	}
	return n, err
}

// Close ends the request.
func (b *receivedBody) Close() error {
	defer b.stop()
	return b.Closer.Close()
}

// proxyFor never sends a loopback endpoint through a proxy, whatever the environment
// says: the proxy's loopback is another machine's.
func proxyFor(choose func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		if isLoopback(req.URL.Hostname()) {
			return nil, nil
		}
		return choose(req)
	}
}

func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
