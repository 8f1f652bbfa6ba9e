package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

const (
	// SilentAfter is the age from which a report says nothing about now: three times the
	// heartbeat.
	SilentAfter = 3 * time.Minute
	// maxReport bounds what is read of a host.
	maxReport = 1 << 20
	// atOnce is how many reports are read at a time.
	atOnce = 8
)

// Said is what a host said of itself last: its report.
type Said struct {
	Host  string
	State v1.HostState
	// At is when the store got it, by the store's clock.
	At time.Time
	// Err is why there is none: providers.ErrNotFound when the host never wrote one.
	Err error
}

// Silent reports whether it is too old, or not there.
func (r Said) Silent(now time.Time) bool { return r.Err != nil || now.Sub(r.At) > SilentAfter }

// Service is what it says of a service; nil for nothing.
func (r Said) Service(name string) *v1.ServiceState {
	for i := range r.State.Services {
		if r.State.Services[i].Name == name {
			return &r.State.Services[i]
		}
	}
	return nil
}

// Reader reads reports, and those that have not changed only once.
type Reader struct {
	objects providers.Objects

	mu   sync.Mutex
	last map[string]cached
}

type cached struct {
	etag   string
	report Said
}

// NewReader makes a Reader.
func NewReader(objects providers.Objects) *Reader {
	return &Reader{objects: objects, last: map[string]cached{}}
}

// Read gives the reports of these hosts, in their order. What is wrong with one is in it.
func (r *Reader) Read(ctx context.Context, hosts []string) []Said {
	out := make([]Said, len(hosts))
	turns := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, host := range hosts {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			out[i] = r.read(ctx, host)
		})
	}
	all.Wait()
	return out
}

// Reporting lists the hosts that ever wrote a report.
func (r *Reader) Reporting(ctx context.Context) ([]string, error) {
	objects, err := r.objects.List(ctx, v1.ReportPrefix)
	if err != nil {
		return nil, fmt.Errorf("listing the reports of hosts: %w", err)
	}
	var hosts []string
	for _, o := range objects {
		if host := v1.HostOfReport(o.Key); host != "" {
			hosts = append(hosts, host)
		}
	}
	return hosts, nil
}

func (r *Reader) read(ctx context.Context, host string) Said {
	r.mu.Lock()
	last := r.last[host]
	r.mu.Unlock()
	now, err := r.fetch(ctx, host, last.etag)
	switch {
	case errors.Is(err, providers.ErrNotModified):
		return last.report
	case err != nil:
		// What it said before still holds as far as it goes.
		return Said{Host: host, State: last.report.State, At: last.report.At, Err: err}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[host] = now
	return now.report
}

func (r *Reader) fetch(ctx context.Context, host, etag string) (cached, error) {
	key := v1.ReportKey(host)
	object, err := r.objects.Get(ctx, key, providers.GetOptions{IfNoneMatch: etag, MaxBytes: maxReport})
	if err != nil {
		return cached{}, err // it names the key
	}
	defer object.Body.Close()
	data, err := io.ReadAll(object.Body)
	if err != nil {
		return cached{}, fmt.Errorf("reading %s: %w", key, err)
	}
	out := cached{etag: object.ETag, report: Said{Host: host, At: object.ModifiedAt}}
	if err := json.Unmarshal(data, &out.report.State); err != nil {
		return cached{}, fmt.Errorf("reading %s: it is no report: %w", key, err)
	}
	if said := out.report.State; said.Host != host || said.Kind != v1.KindHostState {
		return cached{}, fmt.Errorf("reading %s: it is a %s of host %q", key, said.Kind, said.Host)
	}
	if out.report.At.IsZero() {
		out.report.At = out.report.State.UpdatedAt
	}
	return out, nil
}

// HostsOf are the hosts that the manifest names, by name; those of one service unless that
// is empty.
func HostsOf(m *v1.Manifest, service string) []string {
	var hosts []string
	for _, s := range m.Services {
		if service == "" || s.Name == service {
			hosts = append(hosts, s.Hosts...)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}
