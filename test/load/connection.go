package load

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// connection is a single one: what is sent on it works or fails.
type connection struct {
	http *http.ClientConn
	// goodbye: the answer before said that there will be no other on this connection.
	goodbye bool
}

// connect gives the worker's connection, a new one when there is none or when the old one said
// goodbye. One that was merely closed is used all the same: a client cannot know in time.
func (w *worker) connect(ctx context.Context) (*connection, error) {
	if w.conn != nil && (w.conn.goodbye || w.toldToGoAway()) {
		w.hangUp()
	}
	if w.conn != nil {
		return w.conn, nil
	}
	transport := w.o.transport(w.kind)
	conn, err := transport.NewClientConn(ctx, w.o.scheme(), net.JoinHostPort(w.host, w.o.port()))
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	w.recorder.opened(w.line)
	w.conn = &connection{http: conn}
	return w.conn, nil
}

// toldToGoAway: a server that ends says GOAWAY on HTTP/2 a second before it closes, and a client
// that heard it asks elsewhere.
func (w *worker) toldToGoAway() bool {
	return w.kind == HTTP2 && w.conn.http.Err() == nil && w.conn.http.Available() == 0
}

func (o *Options) transport(kind Kind) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(kind != HTTP2)
	protocols.SetHTTP2(kind == HTTP2)
	t := &http.Transport{
		DialContext: o.Dial, Protocols: &protocols,
		// What is asked for is looked at byte by byte.
		DisableCompression: true,
	}
	if o.TLS != nil {
		t.TLSClientConfig = o.TLS.Clone()
	}
	return t
}

func (o *Options) scheme() string {
	if o.TLS == nil {
		return "http"
	}
	return "https"
}

func (o *Options) port() string {
	if o.TLS == nil {
		return "80"
	}
	return "443"
}

func (o *Options) url(host, pathAndQuery string) string {
	u := url.URL{Scheme: o.scheme(), Host: host}
	return u.String() + pathAndQuery
}

func (c *connection) close() { _ = c.http.Close() }
