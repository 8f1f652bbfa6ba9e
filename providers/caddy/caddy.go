// Package caddy keeps the routes of our services in a running Caddy, through its admin
// API. A route is ours by its @id, biz-deployer/<service>; all else in Caddy's
// configuration belongs to other people and is sent back byte for byte, or not at all.
//
// A route is written when domains or path change, never by a release: traffic moves by
// a rename of the upstream file, which Caddy reads for every request. That matters, for
// any change of Caddy's configuration closes the idle connections of all its clients.
//
// The order of the routes: see place.go. How writes are shared: see write.go.
package caddy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"deployer/providers"
)

var _ providers.Routes = (*Client)(nil)

// HTTPMode says which scheme the services are reached by.
type HTTPMode string

const (
	// HTTPS is the default: Caddy gets certificates and redirects plain HTTP by itself.
	HTTPS HTTPMode = ""
	// HTTPOnly is for hosts behind something else that ends TLS.
	HTTPOnly HTTPMode = "only"
)

// DefaultServer is the name of the server that we create when none listens yet.
const DefaultServer = "biz-deployer"

// Options say where Caddy is and which of its servers carries the routes.
type Options struct {
	// Admin is Caddy's admin endpoint as Caddy writes it, unix//run/caddy/admin.sock, or
	// a URL, http://localhost:2019. Required.
	Admin string
	// Server is a name in Caddy's apps.http.servers. Empty: the one that listens on the
	// port of Listen, else DefaultServer, which is created.
	Server string
	// Listen is for a server that we create; empty is :443, or :80 with HTTPOnly. With
	// :443 Caddy opens :80 for the redirects itself, so :80 does not belong here.
	Listen []string
	HTTP   HTTPMode
	// Paths tell where the upstream files are; Caddy must be able to read them.
	Paths providers.Paths
	// Binary is the caddy program, asked for its version when the process behind Admin
	// cannot be found (another PID namespace). May be empty.
	Binary string
	// ReadTimeout and WriteTimeout bound one request to the admin API; 0 is 2 s and 10 s.
	ReadTimeout, WriteTimeout time.Duration
	// MaxAge is how long one reading is shared among services; 0 is 200 ms.
	MaxAge time.Duration
	// Window is how long the first of several writers waits for company; 0 is 2 ms.
	Window time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (o *Options) setDefaults() {
	if len(o.Listen) == 0 {
		o.Listen = []string{":443"}
		if o.HTTP == HTTPOnly {
			o.Listen = []string{":80"}
		}
	}
	orElse := func(d *time.Duration, standard time.Duration) {
		if *d == 0 {
			*d = standard
		}
	}
	orElse(&o.ReadTimeout, 2*time.Second)
	orElse(&o.WriteTimeout, 10*time.Second)
	orElse(&o.MaxAge, 200*time.Millisecond)
	orElse(&o.Window, 2*time.Millisecond)
	if o.Now == nil {
		o.Now = time.Now
	}
}

func (o *Options) validate() error {
	switch {
	case o.HTTP != HTTPS && o.HTTP != HTTPOnly:
		return fmt.Errorf(`http is %q: leave it out for HTTPS, or say "only"`, o.HTTP)
	case o.Paths.StateDir == "":
		return errors.New("the paths of the host are missing")
	case listenPort(o.Listen[0]) == 0:
		return fmt.Errorf("listen address %q: expected host:port, :443 for example", o.Listen[0])
	}
	return nil
}

// Client is the Routes of one Caddy. Safe for concurrent use.
type Client struct {
	opts  Options
	admin *admin
	// reads and writes are shared: see read.go and write.go.
	reads    reads
	writes   writes
	versions versions
}

// New checks the options. It does not talk to Caddy, which may come up later.
func New(o Options) (*Client, error) {
	o.setDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("setting up Caddy's routes: %w", err)
	}
	a, err := newAdmin(o.Admin)
	if err != nil {
		return nil, fmt.Errorf("setting up Caddy's routes: %w", err)
	}
	return &Client{opts: o, admin: a, writes: writes{writing: make(chan struct{}, 1)}}, nil
}

// Observe compares the service's route with want. An unreachable Caddy is
// ErrUnavailable with reason CaddyUnreachable; a Caddy without any configuration is one
// without our routes.
func (c *Client) Observe(ctx context.Context, service string, want *providers.Route) (providers.RouteFacts, error) {
	snap, err := c.read(ctx)
	if err != nil {
		return providers.RouteFacts{}, fmt.Errorf("reading the route of %s: %w", service, err)
	}
	if want == nil {
		return factsOfNone(snap, service), nil
	}
	wanted, err := c.opts.route(*want)
	if err != nil {
		return providers.RouteFacts{}, err
	}
	target, err := c.opts.target(snap)
	if err != nil {
		return providers.RouteFacts{}, err
	}
	differs := snap.differs(target, wanted)
	_, found := snap.find(service)
	return providers.RouteFacts{Found: found, Current: differs == "", Differs: differs}, nil
}

func factsOfNone(snap *snapshot, service string) providers.RouteFacts {
	if _, found := snap.find(service); found {
		return providers.RouteFacts{Found: true, Differs: "there is a route, and there should be none"}
	}
	return providers.RouteFacts{Current: true}
}

// Owned lists the services that have a route of ours in any server, sorted.
func (c *Client) Owned(ctx context.Context) ([]string, error) {
	snap, err := c.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing our routes: %w", err)
	}
	return slices.Sorted(maps.Keys(snap.places)), nil
}

// Put writes the route. Nothing is written when Caddy has it already. Faults:
// CaddyUnreachable, CaddyTooOld, CaddyRefused, CaddyContended, CaddyServerMissing.
func (c *Client) Put(ctx context.Context, r providers.Route) error {
	wanted, err := c.opts.route(r)
	if err != nil {
		return err
	}
	if err := c.change(ctx, change{service: r.Service, route: &wanted}); err != nil {
		return fmt.Errorf("writing the route of %s: %w", r.Service, err)
	}
	return nil
}

// Remove deletes the service's route from whichever server has it.
func (c *Client) Remove(ctx context.Context, service string) error {
	if err := c.change(ctx, change{service: service}); err != nil {
		return fmt.Errorf("removing the route of %s: %w", service, err)
	}
	return nil
}

// after is a timer that the context can cut short.
func after(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
