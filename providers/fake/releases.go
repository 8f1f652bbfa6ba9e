package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// releases is providers.Releases.
type releases struct{ w *World }

var _ providers.Releases = releases{}

func (r releases) Observe(ctx context.Context, service string) (facts providers.ReleaseFacts, err error) {
	err = r.w.run(ctx, look("releases.Observe", service), func() error {
		f := r.w.releases[service]
		if f == nil {
			facts = providers.ReleaseFacts{Staged: map[string]providers.StagedRelease{}, Pointers: map[v1.Slot]string{}}
			return nil
		}
		facts = providers.ReleaseFacts{
			Staged: maps.Clone(f.staged), Pointers: maps.Clone(f.pointers), Upstream: exactAddress(f.upstream),
			Unfinished: slices.Clone(f.unfinished),
		}
		maps.DeleteFunc(facts.Staged, func(instance string, _ providers.StagedRelease) bool { return f.damaged[instance] })
		return nil
	})
	return facts, err
}

func (r releases) Services(ctx context.Context) (out []string, err error) {
	err = r.w.run(ctx, look("releases.Services"), func() error {
		for name, f := range r.w.releases {
			if len(f.staged) > 0 || f.upstream != "" {
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return nil
	})
	return out, err
}

func (r releases) Stage(ctx context.Context, q providers.StageRequest) error {
	name := q.Instance.String()
	return r.w.run(ctx, act("releases.Stage", q.Release.Service, name), func() error {
		f := r.w.files(q.Release.Service)
		old := f.staged[name]
		f.staged[name] = providers.StagedRelease{
			Instance: q.Instance, Release: q.Release, Commit: q.Commit,
			StandbyPort: q.StandbyPort, StagedAt: r.w.Clock.wall, Verdict: old.Verdict,
		}
		delete(f.damaged, name)
		f.secrets[name] = slices.Clone(q.Secrets.Content)
		return nil
	})
}

func (r releases) Reserve(ctx context.Context, service, instance string, port int) error {
	return r.w.run(ctx, act("releases.Reserve", service, instance, strconv.Itoa(port)), func() error {
		f := r.w.files(service)
		staged, ok := f.whole(instance)
		if !ok {
			return fmt.Errorf("reserving port %d for %s of %s: %w", port, instance, service, providers.ErrNotFound)
		}
		staged.StandbyPort = port
		f.staged[instance] = staged
		return nil
	})
}

func (r releases) Point(ctx context.Context, service string, slot v1.Slot, instance string) error {
	return r.w.run(ctx, act("releases.Point", service, string(slot), instance), func() error {
		f := r.w.files(service)
		if instance == "" {
			delete(f.pointers, slot)
			return nil
		}
		if _, ok := f.whole(instance); !ok {
			return fmt.Errorf("pointing %s of %s to %s: %w", slot, service, instance, providers.ErrNotFound)
		}
		f.pointers[slot] = instance
		return nil
	})
}

func (r releases) Shift(ctx context.Context, service string, port int) error {
	return r.w.run(ctx, act("releases.Shift", service, strconv.Itoa(port)), func() error {
		if port < 1 || port > 65535 {
			return fmt.Errorf("shifting traffic of %s: %d is not a port", service, port)
		}
		r.w.files(service).upstream = address(port)
		return nil
	})
}

func (r releases) Judge(ctx context.Context, service string, v v1.Verdict) error {
	return r.w.run(ctx, act("releases.Judge", service, v.Instance, string(v.Result)), func() error {
		f := r.w.files(service)
		staged, ok := f.whole(v.Instance)
		if !ok {
			return fmt.Errorf("judging %s of %s: %w", v.Instance, service, providers.ErrNotFound)
		}
		staged.Verdict = &v
		f.staged[v.Instance] = staged
		r.w.watch.judged(service, v, staged.Release.StorePath)
		return nil
	})
}

func (r releases) Pardon(ctx context.Context, service, instance string) error {
	return r.w.run(ctx, act("releases.Pardon", service, instance), func() error {
		f := r.w.files(service)
		if staged, ok := f.whole(instance); ok && staged.Verdict != nil && staged.Verdict.Result == v1.VerdictBad {
			staged.Verdict = nil
			f.staged[instance] = staged
		}
		return nil
	})
}

// Discard is two effects, as on a disk: out of sight first, and then deleted.
func (r releases) Discard(ctx context.Context, service, instance string) error {
	err := r.w.run(ctx, act("releases.Discard", service, instance), func() error {
		f := r.w.files(service)
		for slot, named := range f.pointers {
			if named == instance {
				return fmt.Errorf("discarding %s of %s: %s points to it: %w", instance, service, slot, providers.ErrConflict)
			}
		}
		delete(f.staged, instance)
		delete(f.damaged, instance)
		delete(f.secrets, instance)
		f.unfinished = []string{".tmp-" + instance}
		r.w.watchDiscard(service, instance)
		return nil
	})
	if err != nil {
		return err
	}
	return r.Tidy(ctx, service)
}

func (r releases) Tidy(ctx context.Context, service string) error {
	return r.w.run(ctx, act("releases.Tidy", service), func() error {
		if f := r.w.releases[service]; f != nil {
			f.unfinished = nil
		}
		return nil
	})
}

func (r releases) Forget(ctx context.Context, service string) error {
	return r.w.run(ctx, act("releases.Forget", service), func() error {
		delete(r.w.releases, service)
		r.w.watchDiscard(service, "")
		return nil
	})
}
