package objectstore_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/objectstore"
)

// fault answers in place of the server, or returns false to let the request through.
type fault func(w http.ResponseWriter, r *http.Request) bool

// faultyProxy stands before the gateway. Signatures stay good: the Host header does.
type faultyProxy struct {
	addr     string
	calls    atomic.Int64
	mu       sync.Mutex
	fault    fault
	released chan struct{}
}

func startProxy(g *gateway) *faultyProxy {
	p := &faultyProxy{released: make(chan struct{})}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: g.addr})
		r.Out.Host = r.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.calls.Add(1)
		p.mu.Lock()
		f := p.fault
		p.mu.Unlock()
		if f == nil || !f(w, r) {
			forward.ServeHTTP(w, r)
		}
	}))
	p.addr = strings.TrimPrefix(server.URL, "http://")
	DeferCleanup(func() {
		close(p.released)
		server.CloseClientConnections()
		server.Close()
	})
	return p
}

// inject puts a fault in place and starts counting anew.
func (p *faultyProxy) inject(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	p.calls.Store(0)
}

// hang keeps an answer back until the caller gives up or the spec ends.
func (p *faultyProxy) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-p.released:
	}
}

// times lets a fault happen n times, then no more.
func times(n int64, f fault) fault {
	var done atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) bool {
		return done.Add(1) <= n && f(w, r)
	}
}

// status answers with a code, an S3 error document and headers as name, value, ….
func status(code int, s3code string, header ...string) fault {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(code)
		if s3code != "" {
			_, _ = io.WriteString(w, "<Error><Code>"+s3code+"</Code><Message>m</Message></Error>")
		}
		return true
	}
}

// drained takes the whole request before it answers: the answer to a half-sent one may be
// lost with the connection.
func drained(f fault) fault {
	return func(w http.ResponseWriter, r *http.Request) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		return f(w, r)
	}
}

// raw writes bytes on the connection and closes it, as a broken server would.
func raw(answer string) fault {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return false
		}
		_, _ = io.WriteString(conn, answer)
		_ = conn.Close()
		return true
	}
}

// naps records how long the store waited between tries, and does not wait.
type naps struct {
	mu    sync.Mutex
	taken []time.Duration
}

func (n *naps) sleep(ctx context.Context, d time.Duration) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.taken = append(n.taken, d)
	return ctx.Err()
}

// quick is what fault specs run with: short deadlines, no waiting between tries.
func quick(n *naps) func(*objectstore.Options) {
	return func(o *objectstore.Options) {
		o.HeaderTimeout, o.StallTimeout = 300*time.Millisecond, 300*time.Millisecond
		o.Sleep, o.Jitter = n.sleep, func() float64 { return 1 }
	}
}

// expectUnclear wants an *Error of one reason, which is ErrUnavailable and no sentinel
// that anything may be removed or written on.
func expectUnclear(err error, reason string) *objectstore.Error {
	GinkgoHelper()
	var e *objectstore.Error
	Expect(err).To(HaveOccurred())
	Expect(err).To(MatchError(providers.ErrUnavailable))
	Expect(err).NotTo(MatchError(providers.ErrNotFound))
	Expect(err).NotTo(MatchError(providers.ErrNotModified))
	Expect(err).NotTo(MatchError(providers.ErrConflict))
	Expect(errors.As(err, &e)).To(BeTrue())
	Expect(providers.ReasonOf(err)).To(Equal(reason), err.Error())
	Expect(err.Error()).NotTo(ContainSubstring("\n"))
	Expect(err.Error()).NotTo(ContainSubstring("%!"))
	Expect(err.Error()).NotTo(ContainSubstring(secretKey))
	Expect(err.Error()).To(ContainSubstring(";"), "a sentence with a way out: "+err.Error())
	GinkgoWriter.Println(err)
	return e
}
