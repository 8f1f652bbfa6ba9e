package controllers

import (
	"context"
	"slices"
	"sync"
	"time"

	v1 "deployer/api/v1"
	"deployer/controllers/fleet"
	"deployer/providers"
)

const (
	// heardFor is how long a report that was read is good for another question, hearing how
	// long a pass may wait for one.
	heardFor = time.Second
	hearing  = 3 * time.Second
	// eager is how long a release that waits is asked about all the time, rarely how often
	// after that: by then somebody has to push a fix anyway.
	eager, rarely = 10 * time.Minute, 15 * time.Second
	// watchEvery is how often other hosts are looked at for silence.
	watchEvery = time.Minute
	// mostNeighbours bounds how many reports a question may cost.
	mostNeighbours = 32
)

// neighbours are the other hosts, as their reports tell of them. They are asked when this
// host is to start a release that it has never had, and, while they are the reason to wait,
// again and again: whatever changes their answer asks for a pass.
type neighbours struct {
	neighbourOptions
	reader *fleet.Reader

	mu      sync.Mutex
	heard   map[string]heard
	waiting map[string]wish
	// quiet is which hosts were silent at the last look for that.
	quiet map[string]bool
}

// neighbourOptions are all required but for every.
type neighbourOptions struct {
	objects  providers.Objects
	host     string
	manifest func() *v1.Manifest
	enqueue  func(service string)
	// every is how often those are asked that a release waits for.
	every time.Duration
	now   func() time.Time
	// silent and back, if not nil, are told when another host reports no more, and again.
	silent func(host string, since time.Time)
	back   func(host string)
}

type heard struct {
	said fleet.Said
	at   time.Time
}

// wish is a release that waits, since when, when it was asked about last, and for what.
type wish struct {
	revision     string
	since, asked time.Time
	why          string
}

func newNeighbours(o neighbourOptions) *neighbours {
	if o.every == 0 {
		o.every = 2 * time.Second
	}
	return &neighbours{
		neighbourOptions: o, reader: fleet.NewReader(o.objects), heard: map[string]heard{}, waiting: map[string]wish{}, quiet: map[string]bool{},
	}
}

// admit is service.Options.Fleet.
func (n *neighbours) admit(ctx context.Context, service, revision string) error {
	m := n.manifest()
	if m == nil {
		return nil
	}
	s := m.Service(service)
	hosts := n.sharing(s)
	if len(hosts) == 0 {
		return nil
	}
	n.mu.Lock()
	was, waits := n.waiting[service]
	n.mu.Unlock()
	now := n.now()
	if !waits || was.revision != revision {
		was = wish{revision: revision, since: now}
	}
	err := fleet.Admit(fleet.Question{
		Host: n.host, Service: s, Revision: revision, Lineage: m.Lineage, WaitsSince: was.since, Now: now,
	}, n.listen(ctx, hosts))
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		delete(n.waiting, service)
		return nil
	}
	was.why, was.asked = err.Error(), now
	n.waiting[service] = was
	return err
}

// sharing are the other hosts of a service; nil is no service.
func (n *neighbours) sharing(s *v1.Service) []string {
	if s == nil {
		return nil
	}
	hosts := slices.DeleteFunc(slices.Clone(s.Hosts), func(host string) bool { return host == n.host })
	return hosts[:min(len(hosts), mostNeighbours)]
}

// listen reads the reports that were not read just now.
func (n *neighbours) listen(ctx context.Context, hosts []string) []fleet.Said {
	now := n.now()
	var ask []string
	n.mu.Lock()
	for _, host := range hosts {
		if h, ok := n.heard[host]; !ok || now.Sub(h.at) >= heardFor {
			ask = append(ask, host)
		}
	}
	n.mu.Unlock()
	ctx, stop := context.WithTimeout(ctx, hearing)
	defer stop()
	fresh := n.reader.Read(ctx, ask)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, said := range fresh {
		n.heard[said.Host] = heard{said, now}
	}
	out := make([]fleet.Said, 0, len(hosts))
	for _, host := range hosts {
		out = append(out, n.heard[host].said)
	}
	return out
}

// run asks for a pass whenever the answer for a release that waits has changed.
func (n *neighbours) run(ctx context.Context) {
	tick := time.NewTicker(n.every)
	defer tick.Stop()
	watched := n.now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n.again(ctx)
			if now := n.now(); n.silent != nil && now.Sub(watched) >= watchEvery {
				watched = now
				n.lookForSilence(ctx)
			}
		}
	}
}

// lookForSilence tells of other hosts. Of those that hear the same of a host, the first by
// name tells: one that burnt down should be told once, not by everybody.
func (n *neighbours) lookForSilence(ctx context.Context) {
	m, now := n.manifest(), n.now()
	if m == nil {
		return
	}
	hosts := fleet.HostsOf(m, "")
	said := n.listen(ctx, hosts[:min(len(hosts), mostNeighbours)])
	tells := func(of string) bool {
		i := slices.IndexFunc(said, func(s fleet.Said) bool { return s.Host != of && (s.Host == n.host || !s.Silent(now)) })
		return i >= 0 && said[i].Host == n.host
	}
	for _, s := range said {
		// A store that does not answer says nothing of the hosts.
		if s.Host == n.host || s.Err != nil {
			continue
		}
		before, known := n.quiet[s.Host]
		n.quiet[s.Host] = s.Silent(now)
		switch {
		case !known, before == s.Silent(now), !tells(s.Host):
		case before:
			n.back(s.Host)
		default:
			n.silent(s.Host, s.At)
		}
	}
}

func (n *neighbours) again(ctx context.Context) {
	now := n.now()
	for service, w := range n.wishes() {
		if now.Sub(w.since) > eager && now.Sub(w.asked) < rarely {
			continue
		}
		if n.wants(service) != w.revision {
			n.mu.Lock()
			delete(n.waiting, service)
			n.mu.Unlock()
			continue
		}
		if err := n.admit(ctx, service, w.revision); err == nil || err.Error() != w.why {
			n.enqueue(service)
		}
	}
}

func (n *neighbours) wishes() map[string]wish {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make(map[string]wish, len(n.waiting))
	for service, w := range n.waiting {
		out[service] = w
	}
	return out
}

// wants is the revision that the manifest wants of a service here; empty for none.
func (n *neighbours) wants(service string) string {
	m := n.manifest()
	if m == nil {
		return ""
	}
	if s := m.Service(service); s != nil && s.RunsOn(n.host) && s.HasRelease() {
		return s.Release().Revision()
	}
	return ""
}
