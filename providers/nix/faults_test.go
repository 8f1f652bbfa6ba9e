package nix_test

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/nix"
	"deployer/test/closure"
)

// twoFaced gives an object's first reader other bytes than everybody after it.
type twoFaced struct {
	providers.Objects
	key   string
	first []byte
	asked atomic.Int64
}

func (t *twoFaced) Get(ctx context.Context, key string, o providers.GetOptions) (*providers.Object, error) {
	if key == t.key && t.asked.Add(1) == 1 {
		info := providers.ObjectInfo{Key: key, Size: int64(len(t.first))}
		return &providers.Object{ObjectInfo: info, Body: io.NopCloser(bytes.NewReader(t.first))}, nil
	}
	return t.Objects.Get(ctx, key, o)
}

// counting does something at the n-th Get below a prefix.
type counting struct {
	providers.Objects
	prefix string
	after  int
	do     func()

	mu sync.Mutex
	n  int
}

func (c *counting) Get(ctx context.Context, key string, o providers.GetOptions) (*providers.Object, error) {
	if strings.HasPrefix(key, c.prefix) {
		c.mu.Lock()
		c.n++
		now := c.n == c.after
		c.mu.Unlock()
		if now {
			c.do()
		}
	}
	return c.Objects.Get(ctx, key, o)
}

// failing fails reads below a prefix; it starts without an error.
type failing struct {
	providers.Objects
	mu     sync.Mutex
	prefix string
	err    error
}

// fail makes reads fail until what it gives is called.
func (f *failing) fail(prefix string, err error) (heal func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.prefix, f.err = prefix, err
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.err = nil
	}
}

func (f *failing) Get(ctx context.Context, key string, o providers.GetOptions) (*providers.Object, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil && strings.HasPrefix(key, f.prefix) {
		return nil, f.err
	}
	return f.Objects.Get(ctx, key, o)
}

// distant takes its time, and notes how many wait for it at once: for NARs, and for
// everything else.
type distant struct {
	providers.Objects
	latency time.Duration

	mu           sync.Mutex
	now, highest map[string]int
}

func (d *distant) Get(ctx context.Context, key string, o providers.GetOptions) (*providers.Object, error) {
	kind := ""
	if strings.HasPrefix(key, "nar/") {
		kind = "nar/"
	}
	d.mu.Lock()
	if d.now == nil {
		d.now, d.highest = map[string]int{}, map[string]int{}
	}
	d.now[kind]++
	d.highest[kind] = max(d.highest[kind], d.now[kind])
	d.mu.Unlock()
	time.Sleep(d.latency)
	d.mu.Lock()
	d.now[kind]--
	d.mu.Unlock()
	return d.Objects.Get(ctx, key, o)
}

func (d *distant) most(kind string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.highest[kind]
}

type countingRunner struct {
	nix.Runner
	n int
}

func (r *countingRunner) Run(ctx context.Context, c nix.Command) (nix.Result, error) {
	r.n++
	return r.Runner.Run(ctx, c)
}

func local(args ...string) (stdout, stderr string, err error) {
	return closure.Local{}.Exec(context.Background(), args...)
}

func glob(pattern string) []string {
	files, err := filepath.Glob(pattern)
	Expect(err).NotTo(HaveOccurred())
	return files
}

// present lists the paths of a closure, by the cache, that are on disk.
func present(storePath string, h *realHost) []string {
	paths, err := h.Closure(context.Background(), storePath)
	Expect(err).NotTo(HaveOccurred())
	var there []string
	for _, p := range paths {
		if len(glob(p.StorePath)) > 0 {
			there = append(there, p.StorePath)
		}
	}
	return there
}
