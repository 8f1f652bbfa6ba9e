package load_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/load"
)

// server speaks what targets speak, and is as bad as a spec wants.
type server struct {
	*httptest.Server
	// trouble, when it says true, has answered in its own way.
	trouble func(w http.ResponseWriter, r *http.Request) bool
	// asked and spoilt count requests, and those that trouble took.
	asked, spoilt atomic.Int64
}

func newServer(configure ...func(*server)) *server {
	s := &server{trouble: func(http.ResponseWriter, *http.Request) bool { return false }}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.answer))
	s.Server.Config.ErrorLog = nil
	s.EnableHTTP2 = true
	for _, c := range configure {
		c(s)
	}
	s.StartTLS()
	DeferCleanup(func() {
		s.CloseClientConnections() // hijacked ones would be waited for
		s.Close()
	})
	return s
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	s.asked.Add(1)
	w.Header().Set("X-Release", "one")
	if s.trouble(w, r) {
		return
	}
	switch r.URL.Path {
	case "/":
		fmt.Fprintln(w, "one")
	case "/slow":
		time.Sleep(20 * time.Millisecond)
		fmt.Fprintln(w, "one")
	case "/echo":
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	case "/download":
		s.download(w, r)
	case "/ws":
		s.talk(w, r)
	}
}

func (s *server) download(w http.ResponseWriter, r *http.Request) {
	content := numbered(r)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content)
}

// numbered is what a download must consist of.
func numbered(r *http.Request) []byte {
	size, _ := strconv.Atoi(r.URL.Query().Get("bytes"))
	var content []byte
	for line := 0; len(content) < size; line++ {
		content = fmt.Appendf(content, "%015d\n", line)
	}
	return content[:size]
}

func (s *server) talk(w http.ResponseWriter, r *http.Request) {
	socket, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer socket.CloseNow()
	for {
		kind, message, err := socket.Read(context.Background())
		if err != nil || socket.Write(context.Background(), kind, message) != nil {
			return
		}
	}
}

// every says true for each nth request.
func every(n int64, spoil func(w http.ResponseWriter, r *http.Request)) func(*server) {
	var count atomic.Int64
	return func(s *server) {
		s.trouble = func(w http.ResponseWriter, r *http.Request) bool {
			if count.Add(1)%n != 0 {
				return false
			}
			s.spoilt.Add(1)
			spoil(w, r)
			return true
		}
	}
}

// drop ends the connection, or the HTTP/2 stream, without an answer.
func drop(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// options ask this server, directly or at another address.
func (s *server) options(mix load.Mix) load.Options {
	return s.optionsAt(s.Listener.Addr().String(), mix)
}

func (s *server) optionsAt(address string, mix load.Mix) load.Options {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return load.Options{
		Targets: []load.Target{{Name: "a", Host: "example.com", Mix: mix}},
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		TLS: &tls.Config{RootCAs: roots}, Failures: GinkgoWriter,
		Pause: time.Millisecond, For: time.Second, DownloadFor: 100 * time.Millisecond, DownloadBytes: 1 << 20,
	}
}

// proxy passes bytes on, and cuts all connections when it is told to.
type proxy struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	done  sync.WaitGroup
}

func newProxy(to string) *proxy {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	p := &proxy{Listener: l}
	p.done.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			p.pass(from, to)
		}
	})
	DeferCleanup(func() {
		_ = p.Close() // a spec may have closed it
		p.cut()
		p.done.Wait()
	})
	return p
}

func (p *proxy) pass(from net.Conn, address string) {
	to, err := net.Dial("tcp", address)
	if err != nil {
		_ = from.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, from, to)
	p.mu.Unlock()
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		p.done.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].Close()
		})
	}
}

// cut gives the number of connections that it cut.
func (p *proxy) cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.conns) / 2
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
	return n
}
