package systemd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Options of New. Paths are required; the rest has defaults.
type Options struct {
	Paths providers.Paths
	// Dial connects to systemd; DialPrivate when left out.
	Dial func(context.Context) (Bus, error)
	// Fallback as in RenderOptions; biz-deployer's boot command when left out.
	Fallback []string
	// CredentialsDir is where systemd keeps the credentials of running units.
	CredentialsDir string
	// Journalctl is the program's path; looked for when left out.
	Journalctl string
	// Now is the clock.
	Now func() time.Time
}

// DefaultFallback is run with the service's name as a standby ends; see RenderOptions.
func DefaultFallback() []string { return []string{"/usr/local/bin/biz-deployer", "boot"} }

// Manager is the host's systemd. Safe for concurrent use.
type Manager struct {
	o      Options
	conn   *connection
	reload *reloader
	disk   *disk
	texts  rendered

	mu sync.Mutex
	// listing is nil when nothing is known.
	listing *listing
	// epoch counts our own changes.
	epoch uint64
	// details by unit, of those that are loaded.
	details map[string]details
}

var _ providers.Units = (*Manager)(nil)

// New checks the options; it does not connect, so it works while systemd is away.
func New(o Options) (*Manager, error) {
	for name, path := range map[string]string{"StateDir": o.Paths.StateDir, "UnitDir": o.Paths.UnitDir} {
		if !filepath.IsAbs(path) || filepath.Clean(path) != path {
			return nil, fmt.Errorf("making a systemd manager: %s %q is not a clean absolute path", name, path)
		}
		if plain, err := plainValue(path); err != nil || plain != path {
			return nil, fmt.Errorf("making a systemd manager: %s %q has characters that unit files treat specially", name, path)
		}
	}
	if o.Dial == nil {
		o.Dial = DialPrivate
	}
	if o.Fallback == nil {
		o.Fallback = DefaultFallback()
	}
	if o.CredentialsDir == "" {
		o.CredentialsDir = "/run/credentials"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Manager{
		o: o, conn: &connection{dial: o.Dial},
		disk: newDisk(o.Paths, o.Now), details: map[string]details{},
	}
	m.reload = newReloader(m.daemonReload)
	return m, nil
}

// Close ends the connection. The Manager may be used afterwards; it connects again.
func (m *Manager) Close() { m.conn.close() }

// render is Render with what this host adds. A nil release renders to a name only.
func (m *Manager) render(ctx context.Context, spec providers.UnitSpec) (Unit, error) {
	if spec.Release == nil {
		if !serviceName.MatchString(spec.Service) {
			return Unit{}, fmt.Errorf("rendering a unit: %q is not a service name", spec.Service)
		}
		return Unit{Name: v1.UnitName(spec.Service, spec.Slot)}, nil
	}
	host, err := m.conn.info(ctx)
	if err != nil {
		return Unit{}, err
	}
	return m.texts.render(spec, RenderOptions{Paths: m.o.Paths, Version: host.Version, Fallback: m.o.Fallback})
}

// nameTaken is the refusal to touch a unit that is not ours.
func nameTaken(unit string) error {
	return &providers.Fault{
		Reason: "NameTaken",
		Message: fmt.Sprintf("a unit %s that is not ours is on this host: give the service another name, "+
			"or remove that unit", unit),
		Err: providers.ErrConflict,
	}
}

// errNoUnit: there is neither a unit of that name nor a file of ours.
var errNoUnit = errors.New("there is no such unit")

// claim makes sure that the unit is ours before it is touched. A unit that is not there
// at all is errNoUnit.
func (m *Manager) claim(ctx context.Context, unit string) (files, error) {
	l, err := m.list(ctx)
	if err != nil {
		return files{}, err
	}
	f, err := m.look(ctx, l, unit)
	switch {
	case err != nil:
		return files{}, err
	case f.owner == foreign:
		return files{}, nameTaken(unit)
	case f.owner == nobody:
		return f, errNoUnit
	}
	return f, nil
}
