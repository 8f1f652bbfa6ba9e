// Package nix keeps closures in the local Nix store: what is there, what is rooted, and
// how it gets there from the cache in the object store, with signatures that we trust.
//
// Nix itself does the work, through stable commands (nix-store) that every version has. It
// never hears of a remote cache: its only substituter is our Gateway.
package nix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"deployer/providers"
)

// Options are what a Manager works with. Paths, Objects and TrustedPublicKeys come from
// the host's configuration, never from the manifest.
type Options struct {
	Paths providers.Paths
	// Objects is the store that holds the binary cache.
	Objects providers.Objects
	// TrustedPublicKeys, name:base64; a path must be signed by one of them. With none,
	// only what is in the local store already can be used.
	TrustedPublicKeys []string
	// Pulls is how many pulls run at once. Default 2.
	Pulls int
	// PullTimeout ends a pull. Default 30 min.
	PullTimeout time.Duration
	// QueryTimeout ends a question to the Nix database. Default 30 s.
	QueryTimeout time.Duration

	// Runner runs pulls. Default: SystemdRunner under systemd, else ExecRunner.
	Runner Runner
	// Queries runs questions to the Nix database. Default: nix-daemon is asked, without any
	// process of ours; where there is none, ExecRunner, if this process may write the Nix
	// store's files; else Runner, which takes three times as long. (Even to read, Nix wants
	// to write.)
	Queries Runner
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Space is what a directory's file system has; false when nobody knows. Default: the
	// kernel is asked.
	Space func(dir string) (Space, bool)
	// DiskRoot is where /nix lies; tests set it. Default "".
	DiskRoot string
}

// Manager implements providers.Closures with the Nix of this host.
type Manager struct {
	o     Options
	cache *Cache
	pulls chan struct{}
	facts *facts
	// daemon is the socket of nix-daemon; empty when it is not to be asked.
	daemon string

	mu    sync.Mutex
	stats GatewayStats
}

var _ providers.Closures = (*Manager)(nil)

// New checks the options and runs nothing.
func New(o Options) (*Manager, error) {
	if o.Pulls <= 0 {
		o.Pulls = 2
	}
	if o.PullTimeout <= 0 {
		o.PullTimeout = 30 * time.Minute
	}
	if o.QueryTimeout <= 0 {
		o.QueryTimeout = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Space == nil {
		o.Space = spaceOf
	}
	if o.Objects == nil {
		return nil, errors.New("setting up nix: there is no store")
	}
	cache, err := NewCache(o.Objects, o.TrustedPublicKeys)
	if err != nil {
		return nil, fmt.Errorf("setting up nix: %w", err)
	}
	m := &Manager{o: o, cache: cache, pulls: make(chan struct{}, o.Pulls)}
	if m.o.Runner == nil {
		m.o.Runner = ExecRunner{}
		if UnderSystemd() {
			m.o.Runner = SystemdRunner{Dir: m.scratch()}
		}
	}
	if m.o.Queries == nil {
		m.daemon = m.o.DiskRoot + daemonSocket
		m.o.Queries = m.o.Runner
		if mayWriteStore() {
			m.o.Queries = ExecRunner{}
		}
	}
	m.facts = newFacts(m)
	return m, nil
}

// mayWriteStore reports whether Nix would find its files writable as a child of this
// process: not inside a sandbox, and not on NixOS, where it needs to remount the store.
func mayWriteStore() bool {
	for _, dir := range []string{storeDir, "/nix/var/nix/db"} {
		if unix.Access(dir, unix.W_OK) != nil {
			return false
		}
	}
	return true
}

// Closure is Cache.Closure of this host's store and keys.
func (m *Manager) Closure(ctx context.Context, storePath string) ([]PathStatus, error) {
	return m.cache.Closure(ctx, storePath)
}

// Stats counts what all pulls together fetched.
func (m *Manager) Stats() GatewayStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

func (m *Manager) count(s GatewayStats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Requests += s.Requests
	m.stats.Sent += s.Sent
}

// scratch holds a private directory per run of Nix. Below StateDir and not in /tmp, which
// a hardened daemon does not share with the units that it starts.
func (m *Manager) scratch() string { return filepath.Join(m.o.Paths.StateDir, "nix") }

// Sweep deletes what runs left behind that a crash cut short. Call it at start, before
// any other method: it does not know which runs are still wanted.
func (m *Manager) Sweep() error {
	if err := os.RemoveAll(m.scratch()); err != nil {
		return fmt.Errorf("deleting unfinished runs of nix: %w", err)
	}
	return nil
}

// run runs a tool of Nix on the local store with a home of its own, so that no cache of
// an earlier run and no user's configuration has a say. Settings are lines of nix.conf;
// they stand in a file because command lines are everybody's to read and the gateway's
// address is a secret.
func (m *Manager) run(ctx context.Context, run Runner, c Command, settings string) (Result, error) {
	if err := os.MkdirAll(m.scratch(), 0o700); err != nil {
		return Result{}, fmt.Errorf("running nix: %w", err)
	}
	home, err := os.MkdirTemp(m.scratch(), "home-")
	if err != nil {
		return Result{}, fmt.Errorf("running nix: %w", err)
	}
	defer os.RemoveAll(home)
	conf := filepath.Join(home, "nix.conf")
	if err := os.WriteFile(conf, []byte(settings), 0o600); err != nil {
		return Result{}, fmt.Errorf("running nix: %w", err)
	}
	c.Env = []string{
		"NIX_REMOTE=local",
		"NIX_USER_CONF_FILES=" + conf,
		"HOME=" + home, "XDG_CACHE_HOME=" + home, "XDG_CONFIG_HOME=" + home,
		"XDG_DATA_HOME=" + home, "XDG_STATE_HOME=" + home,
		"PATH=" + toolPath(), "LC_ALL=C",
	}
	return run.Run(ctx, c)
}
