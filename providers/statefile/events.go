package statefile

import (
	"context"
	"slices"

	v1 "deployer/api/v1"
)

// eventFile counts what lies in the file.
type eventFile struct {
	perService, total int
	// lines by service; nil before the first look.
	lines map[string]int
	all   int
}

// Record appends an event. When it fails, the file is as it was.
func (f *Files) Record(_ context.Context, e v1.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.events.lines == nil {
		if err := f.compactEvents(); err != nil {
			return err
		}
	}
	if err := f.appendLine(fileEvents, e); err != nil {
		return unavailable("recording an event", err)
	}
	f.events.count(e.Service)
	if f.events.lines[e.Service] > 2*f.events.perService || f.events.all > 2*f.events.total {
		return f.compactEvents()
	}
	return nil
}

// Events gives what is kept, oldest first.
func (f *Files) Events(_ context.Context, service string) ([]v1.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, err := f.readEvents()
	if err != nil {
		return nil, err
	}
	return of(service, keep(all, f.events.perService, f.events.total)), nil
}

// Events gives what is in the file, oldest first; an empty service is all of them.
func (r Reader) Events(_ context.Context, service string) ([]v1.Event, error) {
	all, err := r.readEvents()
	return of(service, all), err
}

func (r Reader) readEvents() ([]v1.Event, error) {
	return readLines(r, fileEvents, func(e v1.Event) bool { return e.Reason != "" })
}

// compactEvents rewrites the file with what is to be kept and counts it.
func (f *Files) compactEvents() error {
	all, err := f.readEvents()
	if err != nil {
		return err
	}
	kept := keep(all, f.events.perService, f.events.total)
	f.events.lines, f.events.all = nil, 0
	if err := writeLines(f, fileEvents, kept); err != nil {
		return err
	}
	f.events.lines = map[string]int{}
	for _, e := range kept {
		f.events.count(e.Service)
	}
	return nil
}

func (e *eventFile) count(service string) {
	e.lines[service]++
	e.all++
}

// keep picks the newest of each service, and of those the newest.
func keep(all []v1.Event, perService, total int) []v1.Event {
	count := map[string]int{}
	var kept []v1.Event
	for _, e := range slices.Backward(all) {
		if len(kept) == total {
			break
		}
		if count[e.Service]++; count[e.Service] <= perService {
			kept = append(kept, e)
		}
	}
	slices.Reverse(kept)
	return kept
}

func of(service string, all []v1.Event) []v1.Event {
	if service == "" {
		return all
	}
	return slices.DeleteFunc(all, func(e v1.Event) bool { return e.Service != service })
}
