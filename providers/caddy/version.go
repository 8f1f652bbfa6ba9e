package caddy

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"deployer/providers"
)

// MinVersion is the oldest Caddy that we write to: older ones have CVE-2026-27588 and
// CVE-2026-27589.
const MinVersion = "2.11.1"

const caddyModule = "github.com/caddyserver/caddy/v2"

// versions remembers the version of the process that was asked last.
type versions struct {
	mu      sync.Mutex
	of      process
	version string
}

// Version is that of the running Caddy, 2.11.9 for example, or empty when it cannot be
// known. The admin API does not tell it, so in this order: the build information in the
// executable of the process behind the API (what a plain `caddy version` misses when
// Caddy was built as the main module); that executable's own `caddy version` (what
// distributions set); the same of Options.Binary.
func (c *Client) Version(ctx context.Context) string {
	p, err := c.admin.process(ctx)
	if err != nil {
		return askVersion(ctx, c.opts.Binary)
	}
	v := &c.versions
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.version == "" || v.of != p {
		v.of, v.version = p, p.version(ctx)
	}
	if v.version == "" {
		return askVersion(ctx, c.opts.Binary)
	}
	return v.version
}

// requireVersion refuses to write to a Caddy that is known to be too old. One of unknown
// version is written to; Check says that it is unknown.
func (c *Client) requireVersion(ctx context.Context) error {
	v := c.Version(ctx)
	if v == "" || !older(v, MinVersion) {
		return nil
	}
	return &providers.Fault{Reason: reasonTooOld, Message: tooOld(v)}
}

func tooOld(version string) string {
	return fmt.Sprintf("Caddy %s is too old: %s or newer is needed (CVE-2026-27588, CVE-2026-27589); "+
		"its routes are left as they are until it is upgraded", version, MinVersion)
}

// version reads the build information of the executable, and else asks it. Only a file
// named caddy that nobody but root can write is ever run: over TCP anybody could listen
// on the admin port while Caddy is down.
func (p process) version(ctx context.Context) string {
	exe := p.file("exe")
	if info, err := buildinfo.ReadFile(exe); err == nil {
		if v := moduleVersion(info); v != "" {
			return v
		}
	}
	path, err := os.Readlink(exe)
	if err != nil || strings.TrimSuffix(filepath.Base(path), " (deleted)") != "caddy" || !rootOwns(exe) {
		return ""
	}
	return askVersion(ctx, exe)
}

func moduleVersion(info *buildinfo.BuildInfo) string {
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == caddyModule {
			return parseVersion(m.Version)
		}
	}
	return ""
}

// askVersion runs `caddy version`; empty when it cannot or does not know.
func askVersion(ctx context.Context, binary string) string {
	if binary == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	// Even for this Caddy makes directories in its home.
	home, err := os.MkdirTemp("", "deployer-caddy-")
	if err != nil {
		return ""
	}
	defer os.RemoveAll(home)
	cmd := exec.CommandContext(ctx, binary, "version")
	cmd.Env = []string{"HOME=" + home}
	cmd.Dir = "/"
	out, err := cmd.Output()
	if err == nil {
		if v := parseVersion(string(out)); v != "" {
			return v
		}
	}
	if info, err := buildinfo.ReadFile(binary); err == nil {
		return moduleVersion(info)
	}
	return ""
}

var versionForm = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)`)

// parseVersion takes the three numbers of v2.11.9, 2.6.2 or v2.11.9 h1:…; a pre-release
// counts as its release. (devel) and commit hashes are unknown.
func parseVersion(s string) string {
	m := versionForm.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return ""
	}
	return m[1]
}

// older compares two versions of three numbers.
func older(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range x {
		p, _ := strconv.Atoi(x[i])
		q, _ := strconv.Atoi(y[i])
		if p != q {
			return p < q
		}
	}
	return false
}
