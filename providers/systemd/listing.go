package systemd

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// listingAge is how old a listing may be that many services share.
	listingAge = 200 * time.Millisecond
	// detailsAge is how long details are believed while nothing shows a change: memory
	// use may be that old.
	detailsAge = time.Minute
)

// listing is systemd's list of loaded services at one time.
type listing struct {
	at   time.Time
	host HostInfo
	rows map[string]Row
}

// list gives a listing that is at most listingAge old and younger than our last change.
func (m *Manager) list(ctx context.Context) (*listing, error) {
	host, err := m.conn.info(ctx)
	if err != nil {
		return nil, err
	}
	// Held while asking: whoever comes meanwhile gets the same answer.
	m.mu.Lock()
	defer m.mu.Unlock()
	if l := m.listing; l != nil && m.o.Now().Sub(l.at) < listingAge {
		return l, nil
	}
	at := m.o.Now()
	var rows []Row
	err = m.conn.ask(ctx, "listing units", func(ctx context.Context, b Bus) error {
		r, err := b.Services(ctx)
		rows = r
		return err
	})
	if err != nil {
		return nil, err
	}
	l := &listing{at: at, host: host, rows: make(map[string]Row, len(rows))}
	for _, r := range rows {
		l.rows[r.Name] = r
	}
	for unit := range m.details {
		if _, ok := l.rows[unit]; !ok {
			delete(m.details, unit)
		}
	}
	m.listing = l
	return l, nil
}

// changed forgets what is known of a unit, after we did something to it.
func (m *Manager) changed(unit string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listing = nil
	m.epoch++
	delete(m.details, unit)
}

// details are the properties of a loaded unit that a listing does not have.
type details struct {
	at time.Time
	// key changes with the unit's row and with its process; text is what the properties
	// were compared with.
	key  string
	text [sha256.Size]byte

	fragment   string
	instance   string
	since      time.Time
	mainPID    int
	restarts   int
	result     string
	exitStatus int
	signal     string
	cgroup     string
	memory     *uint64
	// props are there until they were compared.
	props map[string]any
	// differs is the outcome of the comparison with text.
	differs []string
}

// detail asks for a unit's properties, or remembers them while row and process are the same.
func (m *Manager) detail(ctx context.Context, l *listing, unit string) (details, error) {
	key, err := m.processKey(l, unit)
	if err != nil {
		return details{}, err
	}
	m.mu.Lock()
	known, ok := m.details[unit]
	m.mu.Unlock()
	if ok && known.key == key && m.o.Now().Sub(known.at) < detailsAge {
		return known, nil
	}
	epoch := m.epochNow()
	d, err := m.fetch(ctx, unit)
	if err != nil {
		return details{}, err
	}
	d.key = key
	m.remember(unit, d, epoch)
	return d, nil
}

// remember keeps details, unless we changed something since they were asked for.
func (m *Manager) remember(unit string, d details, epoch uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.epoch == epoch {
		d.props = nil
		m.details[unit] = d
	}
}

func (m *Manager) epochNow() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.epoch
}

// processKey changes whenever the unit's process does: systemd makes the credential anew
// at every start, also when a crash and a restart fall between two listings.
func (m *Manager) processKey(l *listing, unit string) (string, error) {
	row := l.rows[unit]
	s, err := stampOf(m.credential(unit))
	if err != nil {
		return "", err
	}
	at := time.Unix(s.ctime.Sec, s.ctime.Nsec).UTC().Format(time.RFC3339Nano)
	return strings.Join([]string{row.LoadState, row.ActiveState, row.SubState, at}, " "), nil
}

func (m *Manager) credential(unit string) string {
	return filepath.Join(m.o.CredentialsDir, unit, credential)
}

func (m *Manager) fetch(ctx context.Context, unit string) (details, error) {
	d := details{at: m.o.Now()}
	err := m.conn.ask(ctx, "asking for the properties of "+unit, func(ctx context.Context, b Bus) error {
		p, err := b.Properties(ctx, unit)
		d.props = p
		return err
	})
	if err != nil {
		return d, err
	}
	p := properties(d.props)
	d.fragment = p.text("FragmentPath")
	d.mainPID = int(p.number("MainPID"))
	d.restarts = int(p.number("NRestarts"))
	d.result = p.text("Result")
	d.exitStatus, d.signal = p.exit()
	d.cgroup = p.text("ControlGroup")
	d.memory = p.memory()
	if p.text("ActiveState") == "active" {
		d.since = time.UnixMicro(int64(p.number("ActiveEnterTimestamp")))
	}
	d.instance, err = m.instance(unit)
	return d, err
}

// instance reads what the unit's process really runs; empty when none runs.
func (m *Manager) instance(unit string) (string, error) {
	data, err := os.ReadFile(m.credential(unit))
	switch {
	case os.IsNotExist(err):
		return "", nil
	case err != nil:
		return "", unavailable("reading the credential of "+unit, err)
	}
	return strings.TrimSpace(string(data)), nil
}

// properties are a unit's, as D-Bus has them.
type properties map[string]any

func (p properties) text(name string) string {
	s, _ := p[name].(string)
	return s
}

func (p properties) number(name string) uint64 {
	switch v := p[name].(type) {
	case uint64:
		return v
	case uint32:
		return uint64(v)
	case int32:
		return uint64(max(v, 0))
	case int64:
		return uint64(max(v, 0))
	}
	return 0
}

// memory is nil where the kernel does not account it: systemd then shows the largest number.
func (p properties) memory() *uint64 {
	v, ok := p["MemoryCurrent"].(uint64)
	if !ok || v == ^uint64(0) {
		return nil
	}
	return &v
}

// exit tells how the main process last ended. Codes are those of waitid(2).
func (p properties) exit() (status int, signal string) {
	const exited, killed, dumped = 1, 2, 3
	status = int(p.number("ExecMainStatus"))
	switch p.number("ExecMainCode") {
	case exited:
		return status, ""
	case killed, dumped:
		return 0, strings.TrimPrefix(unix.SignalName(unix.Signal(status)), "SIG")
	}
	return 0, ""
}
