package nix

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"deployer/providers"
)

// Gateway is an HTTP binary cache on loopback over a store of objects. It only gives. Nix
// talks plain HTTP to it, so that every Nix can use every store: distribution builds of Nix
// cannot read a private S3 by themselves. Its address carries a random token, because other
// users of the machine can reach loopback too.
type Gateway struct {
	o        GatewayOptions
	token    string
	listener net.Listener
	server   *http.Server

	sent, requests atomic.Int64

	mu   sync.Mutex
	last error
}

// GatewayOptions are what a gateway serves.
type GatewayOptions struct {
	Objects providers.Objects
	// Random makes the token; default crypto/rand.
	Random io.Reader
}

// GatewayStats counts what went through a gateway, in bytes of bodies.
type GatewayStats struct {
	Requests, Sent int64
}

// cacheInfo is served when the store has none of its own. Priority 30 is before Nix's
// default cache (40); it does not matter while the gateway is the only one.
const cacheInfo = "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n"

const cacheInfoKey = "nix-cache-info"

// cacheKey matches the only objects of the store that the gateway shows: the manifest and
// the reports beside them are none of Nix's business.
var cacheKey = regexp.MustCompile(`^(nix-cache-info|[0-9a-z]{32}\.narinfo|nar/[0-9A-Za-z][0-9A-Za-z._+-]*)$`)

// StartGateway listens on a free loopback port until Close.
func StartGateway(ctx context.Context, o GatewayOptions) (*Gateway, error) {
	if o.Random == nil {
		o.Random = rand.Reader
	}
	secret := make([]byte, 24)
	if _, err := io.ReadFull(o.Random, secret); err != nil {
		return nil, fmt.Errorf("starting the cache gateway: %w", err)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the cache gateway: %w", err)
	}
	g := &Gateway{o: o, token: fmt.Sprintf("%x", secret), listener: listener}
	log := logr.FromContextOrDiscard(ctx)
	g.server = &http.Server{
		Handler:           g,
		ReadHeaderTimeout: 10 * time.Second,
		// The caller's values (logger) without its cancellation: Close ends the server.
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	go func() {
		if err := g.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error(err, "cache gateway stopped")
		}
	}()
	return g, nil
}

// URL is what Nix is told, without a slash at its end. It holds the token.
func (g *Gateway) URL() string {
	return "http://" + g.listener.Addr().String() + "/" + g.token
}

// Close cuts open requests: whoever closes a gateway has stopped its Nix first.
func (g *Gateway) Close() error { return g.server.Close() }

// Err is the last failure of the store. Nix only ever tells of an HTTP status, so this is
// the true reason when it gives up. Nil when every answer was certain.
func (g *Gateway) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.last
}

// Stats counts since the start.
func (g *Gateway) Stats() GatewayStats {
	return GatewayStats{Requests: g.requests.Load(), Sent: g.sent.Load()}
}

// ServeHTTP answers Nix. A store that gives no certain answer is 503, never 404: Nix must
// try again, and not conclude that the path is in no cache.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.requests.Add(1)
	token, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if token != g.token {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "this gateway does not do that", http.StatusMethodNotAllowed)
	case !cacheKey.MatchString(key):
		// Nix also asks for build logs and .ls files; a cache without them is complete.
		http.Error(w, "not found", http.StatusNotFound)
	case r.Method == http.MethodHead:
		g.head(w, r, key)
	default:
		g.get(w, r, key)
	}
}

// refuse turns the store's error into an answer and remembers what it was.
func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, key string, err error) {
	if errors.Is(err, providers.ErrNotFound) {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	g.remember(r, key, err)
	http.Error(w, "the store gives no answer", http.StatusServiceUnavailable)
}

func (g *Gateway) remember(r *http.Request, key string, err error) {
	if r.Context().Err() != nil {
		// Nix went away; that says nothing about the store.
		return
	}
	g.mu.Lock()
	g.last = err
	g.mu.Unlock()
	logr.FromContextOrDiscard(r.Context()).V(1).Info("store failed a request of nix", "path", key, "error", err.Error())
}
