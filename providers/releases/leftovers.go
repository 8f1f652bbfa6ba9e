package releases

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/internal/durable"
)

var _ providers.Leftovers = (*Directory)(nil)

// Leftovers lists what crashes left of stagings, flips and shifts, and the release
// directories that are not whole: each may hold a copy of the secrets.
func (d *Directory) Leftovers(ctx context.Context) ([]providers.Leftover, error) {
	const doing = "listing unfinished releases"
	entries, err := list(d.paths.Upstreams())
	if err != nil {
		return nil, unavailable(doing, err)
	}
	var out []providers.Leftover
	for _, e := range entries {
		if service := durable.Meant(e.Name()); durable.IsTemp(e.Name()) && validName(service) {
			out = append(out, providers.Leftover{Service: service, Path: d.paths.Upstream(e.Name())})
		}
	}
	if entries, err = list(d.paths.Releases()); err != nil {
		return nil, unavailable(doing, err)
	}
	for _, e := range entries {
		if !e.IsDir() || !validName(e.Name()) {
			continue
		}
		of, err := d.leftoversOf(ctx, e.Name())
		if err != nil {
			return nil, err
		}
		out = append(out, of...)
	}
	return out, nil
}

func (d *Directory) leftoversOf(ctx context.Context, service string) ([]providers.Leftover, error) {
	facts, err := d.Observe(ctx, service)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(d.paths.Releases(), service)
	entries, err := list(dir)
	if err != nil {
		return nil, unavailable("listing unfinished releases of "+service, err)
	}
	var out []providers.Leftover
	for _, e := range entries {
		name := e.Name()
		_, whole := facts.Staged[name]
		switch {
		case durable.IsTemp(name) && validName(durable.Meant(name)):
			out = append(out, providers.Leftover{Service: service, Path: filepath.Join(dir, name)})
		case isInstance(name) && e.IsDir() && !whole:
			out = append(out, providers.Leftover{Service: service, Path: filepath.Join(dir, name), Instance: name})
		}
	}
	return out, nil
}

// Clear deletes one of them. A release directory that is whole by now stays, as does one
// that a pointer names.
func (d *Directory) Clear(ctx context.Context, l providers.Leftover) error {
	doing := "clearing " + l.Path
	dir, name := filepath.Dir(l.Path), filepath.Base(l.Path)
	inReleases := dir == filepath.Join(d.paths.Releases(), l.Service)
	switch {
	case !validName(l.Service), !inReleases && dir != d.paths.Upstreams():
		return fmt.Errorf("%s: not one of ours", doing)
	case durable.IsTemp(name):
		if err := removeBelow(dir, name); err != nil {
			return unavailable(doing, err)
		}
		return nil
	case !inReleases || name != l.Instance:
		return fmt.Errorf("%s: not one of ours", doing)
	}
	facts, err := d.Observe(ctx, l.Service)
	if err != nil {
		return err
	}
	if _, whole := facts.Staged[name]; whole {
		return nil
	}
	return d.Discard(ctx, l.Service, name)
}

// isInstance: beside the pointers, only release directories have such names.
func isInstance(name string) bool {
	return validName(name) && name != string(v1.Primary) && name != string(v1.Standby)
}

func list(dir string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}
