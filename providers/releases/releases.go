// Package releases keeps, on the host's disk, the release directories, the two slot
// pointers of each service, and the upstream files. What a start of a slot runs and
// where requests go are decided here, each by one rename, so that a crash at any point
// leaves the one or the other and never something between.
//
//	releases/web/1abc…-none/  release.json root env secrets revision [verdict]
//	releases/web/primary      -> 1abc…-none
//	upstreams/web             127.0.0.1:8080
package releases

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/internal/durable"
)

// Options say where and when.
type Options struct {
	Paths providers.Paths
	// Now is the host's clock; time.Now when nil.
	Now func() time.Time
	// Second names a process that shifts beside the daemon, such as the one that gives the
	// traffic of a standby back; empty is the daemon.
	Second string
}

// Directory is providers.Releases on a disk. One process may write at a time: the daemon,
// which holds the lock of providers/statefile. Only Shift is also for others. Calls for different services may run at
// the same time, and are the caller's to keep apart for the same one.
type Directory struct {
	paths  providers.Paths
	now    func() time.Time
	second string
	mu     sync.Mutex
	// known remembers what was parsed, by service and instance, with the stats of its files.
	known map[string]map[string]remembered
}

var _ providers.Releases = (*Directory)(nil)

// New touches nothing; directories appear with the first write.
func New(o Options) *Directory {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Directory{paths: o.Paths, now: o.Now, second: o.Second, known: map[string]map[string]remembered{}}
}

// Services lists all names that have a directory below releases/ or an upstream file,
// also when nothing usable is left in it. Other names are not ours.
func (d *Directory) Services(context.Context) ([]string, error) {
	var out []string
	for _, dir := range []string{d.paths.Releases(), d.paths.Upstreams()} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, unavailable("listing services", err)
		}
		for _, e := range entries {
			if validName(e.Name()) {
				out = append(out, e.Name())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Point flips a slot's pointer to a staged instance by one rename; an empty instance
// removes it. An instance that is not staged is ErrNotFound.
func (d *Directory) Point(ctx context.Context, service string, slot v1.Slot, instance string) error {
	doing := fmt.Sprintf("pointing the %s slot of %s to %q", slot, service, instance)
	if slot != v1.Primary && slot != v1.Standby {
		return fmt.Errorf("%s: there is no such slot", doing)
	}
	if instance == "" {
		return d.write(service, doing, func(root *os.Root) error { return durable.RemoveAll(root, string(slot)) })
	}
	facts, err := d.Observe(ctx, service)
	if err != nil {
		return err
	}
	if _, ok := facts.Staged[instance]; !ok {
		return fmt.Errorf("%s: %w", doing, providers.ErrNotFound)
	}
	if facts.Pointers[slot] == instance {
		return nil
	}
	return d.write(service, doing, func(root *os.Root) error { return durable.Symlink(root, instance, string(slot)) })
}

// Judge writes the verdict beside the release; it is durable when Judge returns.
func (d *Directory) Judge(ctx context.Context, service string, v v1.Verdict) error {
	doing := fmt.Sprintf("judging %s of %s", v.Instance, service)
	facts, err := d.Observe(ctx, service)
	if err != nil {
		return err
	}
	if _, ok := facts.Staged[v.Instance]; !ok {
		return fmt.Errorf("%s: %w", doing, providers.ErrNotFound)
	}
	data, err := encode(v)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return d.write(service, doing, func(root *os.Root) error {
		return durable.WriteFile(root, v.Instance+"/"+fileVerdict, data, 0o600)
	})
}

// Pardon deletes a bad verdict; a good one stays.
func (d *Directory) Pardon(ctx context.Context, service, instance string) error {
	facts, err := d.Observe(ctx, service)
	if err != nil {
		return err
	}
	if v := facts.Staged[instance].Verdict; v == nil || v.Result != v1.VerdictBad {
		return nil
	}
	doing := fmt.Sprintf("pardoning %s of %s", instance, service)
	return d.write(service, doing, func(root *os.Root) error {
		return durable.RemoveAll(root, instance+"/"+fileVerdict)
	})
}

// Discard deletes a release directory; ErrConflict while a pointer names it.
func (d *Directory) Discard(ctx context.Context, service, instance string) error {
	doing := fmt.Sprintf("discarding %q of %s", instance, service)
	if !validName(instance) || instance == string(v1.Primary) || instance == string(v1.Standby) {
		return fmt.Errorf("%s: not the name of a release directory", doing)
	}
	facts, err := d.Observe(ctx, service)
	if err != nil {
		return err
	}
	for slot, named := range facts.Pointers {
		if named == instance {
			return fmt.Errorf("%s: the %s slot points to it: %w", doing, slot, providers.ErrConflict)
		}
	}
	return d.write(service, doing, func(root *os.Root) error {
		// Out of sight first: a directory that is half deleted must not look staged.
		err := root.Rename(instance, durable.Temp(instance))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return durable.RemoveAll(root, durable.Temp(instance))
	})
}

// Tidy deletes what crashes left of stagings, flips and discards of a service. The passes of
// a service come one after the other, so nothing of it is being made meanwhile.
func (d *Directory) Tidy(ctx context.Context, service string) error {
	facts, err := d.Observe(ctx, service)
	if err != nil || len(facts.Unfinished) == 0 {
		return err
	}
	return d.write(service, "tidying the releases of "+service, func(root *os.Root) error {
		for _, name := range facts.Unfinished {
			if err := durable.RemoveAll(root, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// Forget deletes all of a service: pointers first, so that no start finds half of it, the
// upstream file last, so that Services names it until everything is gone.
func (d *Directory) Forget(_ context.Context, service string) error {
	doing := "forgetting " + service
	if !validName(service) {
		return fmt.Errorf("%s: not the name of a service", doing)
	}
	own := filepath.Join(d.paths.Releases(), service)
	for _, gone := range [][2]string{
		{own, string(v1.Primary)},
		{own, string(v1.Standby)},
		{d.paths.Releases(), service},
		{d.paths.Upstreams(), service},
	} {
		if err := removeBelow(gone[0], gone[1]); err != nil {
			return unavailable(doing, err)
		}
	}
	d.mu.Lock()
	delete(d.known, service)
	d.mu.Unlock()
	return nil
}
