package systemd_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/systemd"
)

// scriptedBus is a systemd that does what a spec says. Like the real one it keeps the text
// that it loaded until a reload.
type scriptedBus struct {
	dir string

	mu     sync.Mutex
	loaded map[string]string
	rows   map[string]systemd.Row
	props  map[string]map[string]any
	// first is shown that often before props.
	first      map[string]any
	firstTimes int
	calls      map[string]int
	// fail makes the calls of a name fail, as often as the number says.
	fail map[string]failure
	// transient are the properties of the last transient unit.
	transient []systemd.Property
	// result is sent for a job; empty: never.
	result string
	// drops is a directive that this systemd does not understand.
	drops string
	dead  bool
	// signals is what Signals gives; heard gets an entry when it is asked for.
	signals chan *dbus.Signal
	heard   chan struct{}
}

type failure struct {
	err   error
	times int
}

func newScriptedBus(dir string) *scriptedBus {
	return &scriptedBus{
		dir: dir, loaded: map[string]string{}, rows: map[string]systemd.Row{},
		props: map[string]map[string]any{}, calls: map[string]int{}, fail: map[string]failure{}, result: "done",
		signals: make(chan *dbus.Signal), heard: make(chan struct{}, 1),
	}
}

// called counts a call and gives its failure.
func (b *scriptedBus) called(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[name]++
	f := b.fail[name]
	if f.times == 0 {
		return nil
	}
	f.times--
	b.fail[name] = f
	return f.err
}

func (b *scriptedBus) count(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[name]
}

func (b *scriptedBus) setRow(unit, active, sub string, job uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows[unit] = systemd.Row{Name: unit, LoadState: "loaded", ActiveState: active, SubState: sub, JobId: job}
}

func (b *scriptedBus) Signals(context.Context) <-chan *dbus.Signal {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard <- struct{}{}
	return b.signals
}

// hangUp ends the connection, as a daemon-reexec does.
func (b *scriptedBus) hangUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dead = true
	close(b.signals)
	b.signals = make(chan *dbus.Signal)
}

func (b *scriptedBus) Host(context.Context) (systemd.HostInfo, error) {
	return systemd.HostInfo{Version: 257, UnitPath: []string{b.dir}}, b.called("Host")
}

func (b *scriptedBus) Services(context.Context) ([]systemd.Row, error) {
	err := b.called("Services")
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []systemd.Row
	for _, r := range b.rows {
		out = append(out, r)
	}
	return out, err
}

func (b *scriptedBus) load(unit string) {
	text, err := os.ReadFile(filepath.Join(b.dir, unit))
	if err != nil {
		delete(b.loaded, unit)
		return
	}
	b.loaded[unit] = string(text)
}

func (b *scriptedBus) Properties(_ context.Context, unit string) (map[string]any, error) {
	if err := b.called("Properties"); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.loaded[unit]; !ok {
		b.load(unit)
	}
	p := map[string]any{"LoadState": "not-found", "ActiveState": b.rows[unit].ActiveState, "SubState": b.rows[unit].SubState}
	if text, ok := b.loaded[unit]; ok {
		p["LoadState"], p["FragmentPath"] = "loaded", filepath.Join(b.dir, unit)
		b.parse(text, p)
	}
	props := b.props[unit]
	if b.firstTimes > 0 {
		b.firstTimes--
		props = b.first
	}
	for k, v := range props {
		p[k] = v
	}
	return p, nil
}

// parse reads the few directives that the specs need; their values have no quotes.
func (b *scriptedBus) parse(text string, p map[string]any) {
	var files, creds [][]any
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch {
		case key == b.drops:
		case key == "ExecStart":
			words := strings.Fields(strings.TrimPrefix(value, ":"))
			p["ExecStartEx"] = [][]any{{words[0], words, []string{"no-env-expand"}}}
		case key == "EnvironmentFile":
			files = append(files, []any{value, false})
		case key == "LoadCredential":
			name, path, _ := strings.Cut(value, ":")
			creds = append(creds, []any{name, path})
		case key == "After" || key == "Before" || key == "Conflicts" || key == "Requires" || key == "RuntimeDirectory":
			p[key] = strings.Fields(value)
		}
	}
	p["EnvironmentFiles"], p["LoadCredential"] = files, creds
}

func (b *scriptedBus) job(name, unit string, heard chan<- string) (int, error) {
	if err := b.called(name); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.result != "" {
		heard <- b.result
	}
	return 42, nil
}

func (b *scriptedBus) Restart(_ context.Context, unit string, heard chan<- string) (int, error) {
	return b.job("Restart", unit, heard)
}

// Stop takes the unit away if it is but a memory, as systemd does.
func (b *scriptedBus) Stop(_ context.Context, unit string, heard chan<- string) (int, error) {
	b.mu.Lock()
	if row := b.rows[unit]; row.LoadState != "loaded" {
		delete(b.rows, unit)
	}
	b.mu.Unlock()
	return b.job("Stop", unit, heard)
}

func (b *scriptedBus) StartTransient(_ context.Context, unit string, properties []systemd.Property, heard chan<- string) (int, error) {
	b.mu.Lock()
	b.transient = properties
	b.mu.Unlock()
	return b.job("StartTransient", unit, heard)
}

func (b *scriptedBus) ResetFailed(context.Context, string) error { return b.called("ResetFailed") }

func (b *scriptedBus) Reload(context.Context) error {
	if err := b.called("Reload"); err != nil {
		return err
	}
	time.Sleep(20 * time.Millisecond)
	b.mu.Lock()
	defer b.mu.Unlock()
	for unit := range b.loaded {
		b.load(unit)
	}
	return nil
}

func (b *scriptedBus) Connected() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.dead
}

func (b *scriptedBus) Close() {}

// scripted is a Manager over a scriptedBus and directories of its own.
type scripted struct {
	bus     *scriptedBus
	manager *systemd.Manager
	paths   providers.Paths
	dials   int
	now     time.Time
	// refuse makes that many connections fail.
	refuse int
}

func newScripted() *scripted {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	s := &scripted{
		now:   time.Now(),
		paths: providers.Paths{StateDir: filepath.Join(dir, "state"), UnitDir: filepath.Join(dir, "units")},
	}
	Expect(os.MkdirAll(s.paths.UnitDir, 0o755)).To(Succeed())
	s.bus = newScriptedBus(s.paths.UnitDir)
	var err error
	s.manager, err = systemd.New(systemd.Options{
		Paths: s.paths, CredentialsDir: filepath.Join(dir, "credentials"),
		Now: func() time.Time { return s.now },
		Dial: func(context.Context) (systemd.Bus, error) {
			s.dials++
			if s.refuse > 0 {
				s.refuse--
				return nil, errDBus
			}
			s.bus.mu.Lock()
			defer s.bus.mu.Unlock()
			s.bus.dead = false
			return s.bus, nil
		},
	})
	Expect(err).NotTo(HaveOccurred())
	return s
}

func (s *scripted) spec(i int, args ...string) providers.UnitSpec {
	name := fmt.Sprintf("web%d", i)
	r := v1.Release{Service: name, StorePath: "/nix/store/x", Exec: v1.Exec{Args: args}}.Default()
	return providers.UnitSpec{Service: name, Slot: v1.Primary, Release: &r}
}

// installed installs n units, runs them as far as a listing shows, and forgets the calls.
func (s *scripted) installed(ctx context.Context, n int) {
	GinkgoHelper()
	for i := range n {
		Expect(s.manager.Install(ctx, s.spec(i))).To(Succeed())
		s.bus.setRow(s.spec(i).Service+".service", "active", "running", 0)
	}
	s.later()
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	clear(s.bus.calls)
}

// later makes a new listing due.
func (s *scripted) later() { s.now = s.now.Add(time.Second) }

var errDBus = dbus.Error{Name: "org.freedesktop.DBus.Error.Failed", Body: []any{"no space left on device"}}
