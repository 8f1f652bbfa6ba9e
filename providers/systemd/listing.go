package systemd

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
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
	// tree has all directories in which systemd looks for units, and ours.
	tree tree
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
	at := m.o.Now()
	if l := m.listing; l != nil && at.Sub(l.at) >= 0 && at.Sub(l.at) < listingAge {
		return l, nil
	}
	dirs, err := m.disk.read(slices.Concat(host.UnitPath, []string{m.o.Paths.UnitDir, m.disk.wants()}))
	if err != nil {
		return nil, unavailable("listing unit directories", err)
	}
	var rows []Row
	err = m.conn.ask(ctx, "listing units", func(ctx context.Context, b Bus) error {
		r, err := b.Services(ctx)
		rows = r
		return err
	})
	if err != nil {
		return nil, err
	}
	l := &listing{at: at, host: host, tree: dirs, rows: make(map[string]Row, len(rows))}
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

// Relist makes the next look read states and directories again; what is loaded stays
// known. Whoever saw a change calls it before he asks for a look: a listing is shared for
// a while, and may be older than the change.
func (m *Manager) Relist() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listing = nil
}

// forget makes the next look at every unit a new one.
func (m *Manager) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listing = nil
	m.epoch++
	clear(m.details)
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
	// key changes with the unit's row and with its process; text is the hash of what the
	// properties were compared with, zero when they were not.
	key  processKey
	text [sha256.Size]byte

	fragment   string
	instance   string
	since      time.Time
	started    time.Time
	mainPID    int
	restarts   int
	result     string
	exitStatus int
	signal     string
	cgroup     string
	memory     *uint64
	// differs is the outcome of the comparison with text.
	differs []string
}

// detail asks for a unit's properties and compares them with its text, or remembers both
// while row, process and text are the same. A unit without a text is not compared.
func (m *Manager) detail(ctx context.Context, l *listing, u Unit) (details, error) {
	key, err := m.processKey(l, u.Name)
	if err != nil {
		return details{}, err
	}
	m.mu.Lock()
	known, ok := m.details[u.Name]
	epoch := m.epoch
	m.mu.Unlock()
	same := ok && known.key == key && (u.Text == "" || known.text == u.sum)
	if same && m.o.Now().Sub(known.at) < detailsAge {
		return known, nil
	}
	d, p, err := m.fetch(ctx, u.Name)
	if err != nil {
		return details{}, err
	}
	d.key, d.text = key, u.sum
	if u.Text != "" {
		d.differs = loadedDiffers(u, p, m.disk.link(u.Name))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// What was asked for before a change of ours is not kept.
	if m.epoch == epoch {
		m.details[u.Name] = d
	}
	return d, nil
}

// processKey is what shows without asking that a unit's details are others.
type processKey struct {
	load, active, sub string
	credential        stamp
}

// processKey changes whenever the unit's process does: systemd makes the credential anew
// at every start, also when a crash and a restart fall between two listings.
func (m *Manager) processKey(l *listing, unit string) (processKey, error) {
	row := l.rows[unit]
	if row.ActiveState == "inactive" {
		return processKey{load: row.LoadState, active: row.ActiveState, sub: row.SubState}, nil
	}
	s, err := stampOf(m.credential(unit))
	if err != nil {
		return processKey{}, err
	}
	return processKey{row.LoadState, row.ActiveState, row.SubState, s}, nil
}

func (m *Manager) credential(unit string) string {
	return filepath.Join(m.o.CredentialsDir, unit, credential)
}

// fetch asks systemd; asking loads a unit that is not loaded.
func (m *Manager) fetch(ctx context.Context, unit string) (details, properties, error) {
	d := details{at: m.o.Now()}
	var p properties
	err := m.conn.ask(ctx, "asking for the properties of "+unit, func(ctx context.Context, b Bus) error {
		props, err := b.Properties(ctx, unit)
		p = props
		return err
	})
	if err != nil {
		return d, nil, err
	}
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
	if d.mainPID != 0 {
		d.started = time.UnixMicro(int64(p.number("ExecMainStartTimestamp")))
	}
	d.instance, err = m.instance(unit)
	return d, p, err
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
