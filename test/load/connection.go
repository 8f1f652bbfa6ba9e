package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// connection is a single one: what is sent on it works or fails.
type connection interface {
	// ask sends one request; the body of the answer is read before the next one.
	ask(request *http.Request) (*http.Response, error)
	// saidGoodbye: the other side said that it will answer no more on this one.
	saidGoodbye() bool
	close()
}

// connect gives the worker's connection, a new one when there is none or when the old one said
// goodbye. One that was merely closed is used all the same: a client cannot know in time.
func (w *worker) connect(ctx context.Context) (connection, error) {
	if w.conn != nil && w.conn.saidGoodbye() {
		w.hangUp()
	}
	if w.conn != nil {
		return w.conn, nil
	}
	open := w.o.openHTTP1
	if w.kind == HTTP2 {
		open = w.o.openHTTP2
	}
	conn, err := open(ctx, net.JoinHostPort(w.host, w.o.port()))
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	w.recorder.opened(w.line)
	w.conn = conn
	return conn, nil
}

// http1 writes a request and reads its answer, one after the other. Go's own client does both
// at once, and gives a connection up when it is kept waiting for 50 ms in between.
type http1 struct {
	net.Conn
	reader  *bufio.Reader
	goodbye bool
}

func (o *Options) openHTTP1(ctx context.Context, address string) (connection, error) {
	conn, err := o.Dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if o.TLS != nil {
		config := o.TLS.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
		config.NextProtos = []string{"http/1.1"}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		conn = secure
	}
	return &http1{Conn: conn, reader: bufio.NewReader(conn)}, nil
}

func (c *http1) ask(request *http.Request) (*http.Response, error) {
	// The end of the context is the end of what waits on the connection, until Body.Close.
	stop := context.AfterFunc(request.Context(), func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	out := bufio.NewWriter(c)
	err := request.Write(out)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return nil, fmt.Errorf("sending: %w", err)
	}
	response, err := http.ReadResponse(c.reader, request)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("closed without an answer: %w", err)
	case err != nil:
		return nil, fmt.Errorf("receiving: %w", err)
	}
	c.goodbye = response.Close
	response.Body = body{response.Body, stop}
	return response, nil
}

// body is read to its end, or else the connection is not used any more.
type body struct {
	io.Reader
	stop func() bool
}

func (b body) Close() error {
	b.stop()
	return nil
}

func (c *http1) saidGoodbye() bool { return c.goodbye }
func (c *http1) close()            { _ = c.Close() }

// http2 is Go's, of which NewClientConn gives the connection alone, without what would send a
// request once more on another one.
type http2 struct{ *http.ClientConn }

func (o *Options) openHTTP2(ctx context.Context, address string) (connection, error) {
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	transport := &http.Transport{DialContext: o.Dial, Protocols: &protocols, TLSClientConfig: o.TLS.Clone(), DisableCompression: true}
	conn, err := transport.NewClientConn(ctx, "https", address)
	if err != nil {
		return nil, err
	}
	return http2{conn}, nil
}

func (c http2) ask(request *http.Request) (*http.Response, error) { return c.RoundTrip(request) }

// saidGoodbye: a server that ends says GOAWAY a second before it closes.
func (c http2) saidGoodbye() bool { return c.Err() == nil && c.Available() == 0 }
func (c http2) close()            { _ = c.Close() }

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
