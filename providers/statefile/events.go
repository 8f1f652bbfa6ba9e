package statefile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/internal/durable"
)

// eventFile is one JSON object a line. It is appended to, and rewritten with what is to
// be kept once it holds twice that. Appends are not synced: events are for people, and a
// power failure may cost them the last ones; a crash of the daemon costs none.
type eventFile struct {
	perService, total int
	// lines counts what lies in the file, by service; nil before the first look.
	lines map[string]int
	all   int
}

// Record appends an event. When it fails, the file is as it was.
func (f *Files) Record(_ context.Context, e v1.Event) error {
	const doing = "recording an event"
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.events.lines == nil {
		if err := f.compact(); err != nil {
			return err
		}
	}
	if err := f.appendLine(append(data, '\n')); err != nil {
		return unavailable(doing, err)
	}
	f.events.count(e.Service)
	if f.events.lines[e.Service] > 2*f.events.perService || f.events.all > 2*f.events.total {
		return f.compact()
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

// readEvents passes over lines that are no event: what a power failure left.
func (r Reader) readEvents() ([]v1.Event, error) {
	data, err := r.read(fileEvents)
	if errors.Is(err, providers.ErrNotFound) || errors.Is(err, errBroken) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []v1.Event
	for line := range bytes.Lines(data) {
		var e v1.Event
		if json.Unmarshal(line, &e) == nil && e.Reason != "" {
			out = append(out, e)
		}
	}
	return out, nil
}

// compact rewrites the file with what is to be kept and counts it; also what a crash
// left of a last line goes.
func (f *Files) compact() error {
	all, err := f.readEvents()
	if err != nil {
		return err
	}
	kept := keep(all, f.events.perService, f.events.total)
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	lines.SetEscapeHTML(false)
	f.events.lines, f.events.all = map[string]int{}, 0
	for _, e := range kept {
		if err := lines.Encode(e); err != nil {
			return fmt.Errorf("rewriting %s: %w", fileEvents, err)
		}
		f.events.count(e.Service)
	}
	if err := durable.WriteFile(f.root, fileEvents, out.Bytes(), 0o644); err != nil {
		f.events.lines = nil
		return unavailable("rewriting "+fileEvents, err)
	}
	return nil
}

func (e *eventFile) count(service string) {
	e.lines[service]++
	e.all++
}

// appendLine adds one line whole, or takes back what went in of it.
func (f *Files) appendLine(line []byte) error {
	file, err := f.root.OpenFile(fileEvents, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		if _, err = file.Write(line); err != nil {
			err = errors.Join(err, file.Truncate(info.Size()))
		}
	}
	return errors.Join(err, file.Close())
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
