package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"time"
)

// Kind is what a connection does.
type Kind string

// The kinds.
const (
	// Get asks for / again and again on one HTTP/1.1 connection.
	Get Kind = "get"
	// Post sends random bytes to /echo on one HTTP/1.1 connection, and wants them back.
	Post Kind = "post"
	// Slow is a Get that takes half a second to answer, so that it is under way while
	// something else happens.
	Slow Kind = "slow"
	// HTTP2 takes turns with GET and POST on one HTTP/2 connection.
	HTTP2 Kind = "h2"
	// WebSocket sends one message a second, and wants it back.
	WebSocket Kind = "websocket"
	// Download takes 20 s for one long answer, and looks at every byte.
	Download Kind = "download"
)

// Kinds lists all of them, in the order of reports.
func Kinds() []Kind { return []Kind{Get, Post, Slow, HTTP2, WebSocket, Download} }

// Mix is how many connections of each kind there are.
type Mix map[Kind]int

// Full is the load of 32 connections that releases are held to.
func Full() Mix { return Mix{Get: 11, Post: 11, Slow: 2, HTTP2: 6, WebSocket: 1, Download: 1} }

// Short is what ends soon, so that nothing drains for long: Full without its two long ones.
func Short() Mix { return Mix{Get: 12, Post: 12, Slow: 2, HTTP2: 6} }

// Connections counts them all.
func (m Mix) Connections() int {
	n := 0
	for _, count := range m {
		n += count
	}
	return n
}

// Target is a service that is asked.
type Target struct {
	// Name is what reports call it.
	Name string
	// Host is the name in the URLs.
	Host string
	Mix  Mix
}

// Options say who is asked, how, and for how long at most.
type Options struct {
	Targets []Target
	// Dial reaches every target, whatever its name.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS trusts the targets; nil asks over plain HTTP, where there is no HTTP2.
	TLS *tls.Config
	// Pause between an answer and the next request of a connection; 10ms when left out.
	Pause time.Duration
	// Timeout of one request, the download's own 20 s apart; 30s when left out.
	Timeout time.Duration
	// For bounds the run in time, MaxRequests in number; 10m and 5,000,000 when left out.
	For         time.Duration
	MaxRequests int64
	// DownloadFor is how long one download takes, in whole seconds, and DownloadBytes its
	// length: enough that no buffer on the way holds it all. 20s and 20 MB when left out.
	DownloadFor   time.Duration
	DownloadBytes int
	// Ready, when not nil, is closed once every connection had its first good answer.
	Ready chan<- struct{}
	// Failures gets a line for each failure as it happens, up to MaxFailures; may be nil.
	Failures io.Writer
}

// MaxFailures is how many failures a report keeps; all are counted.
const MaxFailures = 1000

func (o *Options) setDefaults() {
	orElse := func(d *time.Duration, standard time.Duration) {
		if *d == 0 {
			*d = standard
		}
	}
	orElse(&o.Pause, 10*time.Millisecond)
	orElse(&o.Timeout, 30*time.Second)
	orElse(&o.For, 10*time.Minute)
	orElse(&o.DownloadFor, 20*time.Second)
	if o.DownloadBytes == 0 {
		o.DownloadBytes = 20 << 20
	}
	if o.MaxRequests == 0 {
		o.MaxRequests = 5_000_000
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Failures == nil {
		o.Failures = io.Discard
	}
}

func (o *Options) validate() error {
	if len(o.Targets) == 0 {
		return errors.New("no targets: nobody would be asked")
	}
	names := map[string]bool{}
	for _, t := range o.Targets {
		switch {
		case t.Name == "" || t.Host == "":
			return fmt.Errorf("target %+v: name and host must be given", t)
		case names[t.Name]:
			return fmt.Errorf("target %s is there twice: one of them needs another name", t.Name)
		case t.Mix.Connections() == 0:
			return fmt.Errorf("target %s has no connections", t.Name)
		}
		names[t.Name] = true
		if err := t.Mix.validate(o.TLS); err != nil {
			return fmt.Errorf("target %s: %w", t.Name, err)
		}
	}
	return nil
}

func (m Mix) validate(secure *tls.Config) error {
	for _, kind := range slices.Sorted(maps.Keys(m)) {
		switch {
		case !slices.Contains(Kinds(), kind):
			return fmt.Errorf("kind %q is not one of %v", kind, Kinds())
		case m[kind] < 0 || m[kind] > 1000:
			return fmt.Errorf("%d connections of kind %s: 0 to 1000 are possible", m[kind], kind)
		case kind == HTTP2 && m[kind] > 0 && secure == nil:
			return fmt.Errorf("kind %s needs TLS", kind)
		}
	}
	return nil
}
