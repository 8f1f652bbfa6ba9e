package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// disk is the daemon's own files.
type disk struct {
	state, manifest []byte
	events          []v1.Event
	floor           providers.Floor
	hostName        string
	deployments     map[string][]v1.Deployment
	holds           map[string]v1.Hold
}

// So many events survive of each service, and of all, as on a real host.
const (
	keptEventsPerService = 50
	keptEvents           = 2000
)

// LoseState deletes state.json, as `rm` does.
func (w *World) LoseState() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disk.state = nil
}

// states is providers.States.
type states struct{ w *World }

var _ providers.States = states{}

func (s states) SaveState(ctx context.Context, h v1.HostState) error {
	data, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("writing state.json: %w", err)
	}
	return s.w.run(ctx, act("states.SaveState"), func() error {
		s.w.disk.state = data
		return nil
	})
}

func (s states) LoadState(ctx context.Context) (h v1.HostState, err error) {
	err = s.w.run(ctx, look("states.LoadState"), func() error {
		if s.w.disk.state == nil {
			return fmt.Errorf("reading state.json: %w", providers.ErrNotFound)
		}
		return json.Unmarshal(s.w.disk.state, &h)
	})
	return h, err
}

func (s states) Record(ctx context.Context, e v1.Event) error {
	return s.w.run(ctx, act("states.Record", e.Service, e.Reason), func() error {
		d := &s.w.disk
		d.events = append(d.events, e)
		of := func(x v1.Event) bool { return x.Service == e.Service }
		n := 0
		for _, x := range d.events {
			if of(x) {
				n++
			}
		}
		switch {
		case n > keptEventsPerService:
			first := slices.IndexFunc(d.events, of)
			d.events = slices.Delete(d.events, first, first+1)
		case len(d.events) > keptEvents:
			d.events = slices.Delete(d.events, 0, 1)
		}
		return nil
	})
}

func (s states) Events(ctx context.Context, service string) (out []v1.Event, err error) {
	err = s.w.run(ctx, look("states.Events", service), func() error {
		for _, e := range s.w.disk.events {
			if service == "" || e.Service == service {
				out = append(out, e)
			}
		}
		return nil
	})
	return out, err
}

func (s states) SaveManifest(ctx context.Context, data []byte) error {
	return s.w.run(ctx, act("states.SaveManifest"), func() error {
		s.w.disk.manifest = slices.Clone(data)
		return nil
	})
}

func (s states) LoadManifest(ctx context.Context) (data []byte, err error) {
	err = s.w.run(ctx, look("states.LoadManifest"), func() error {
		if s.w.disk.manifest == nil {
			return fmt.Errorf("reading the last manifest: %w", providers.ErrNotFound)
		}
		data = slices.Clone(s.w.disk.manifest)
		return nil
	})
	return data, err
}

func (s states) Floor(ctx context.Context) (f providers.Floor, err error) {
	err = s.w.run(ctx, look("states.Floor"), func() error {
		f = s.w.disk.floor
		return nil
	})
	return f, err
}

func (s states) RaiseFloor(ctx context.Context, f providers.Floor) error {
	return s.w.run(ctx, act("states.RaiseFloor", f.Lineage, strconv.FormatInt(f.Generation, 10)), func() error {
		if have := s.w.disk.floor; have.Lineage != f.Lineage || have.Generation < f.Generation {
			s.w.disk.floor = f
		}
		return nil
	})
}

func (s states) HostName(ctx context.Context, current string) (pinned string, err error) {
	err = s.w.run(ctx, act("states.HostName", current), func() error {
		if s.w.disk.hostName == "" {
			s.w.disk.hostName = current
		}
		pinned = s.w.disk.hostName
		return nil
	})
	return pinned, err
}
