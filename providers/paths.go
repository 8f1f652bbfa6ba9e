package providers

import "path/filepath"

// Paths are the directories on a host. Everything below StateDir is the daemon's.
type Paths struct {
	// StateDir is /var/lib/biz-deployer.
	StateDir string
	// UnitDir is where unit links go: /etc/systemd/system, on NixOS /etc/systemd-mutable/system.
	UnitDir string
	// RootsDir is /nix/var/nix/gcroots/biz.
	RootsDir string
	// SecretsDir is /var/lib/biz-secrets.
	SecretsDir string
}

// DefaultPaths are the paths that the README names.
func DefaultPaths() Paths {
	return Paths{
		StateDir:   "/var/lib/biz-deployer",
		UnitDir:    "/etc/systemd/system",
		RootsDir:   "/nix/var/nix/gcroots/biz",
		SecretsDir: "/var/lib/biz-secrets",
	}
}

// Services holds the generated unit files.
func (p Paths) Services() string { return filepath.Join(p.StateDir, "services") }

// Releases holds a directory per service.
func (p Paths) Releases() string { return filepath.Join(p.StateDir, "releases") }

// Upstreams holds a file per service.
func (p Paths) Upstreams() string { return filepath.Join(p.StateDir, "upstreams") }

// Upstream is the file that says where the service's requests go now.
func (p Paths) Upstream(service string) string { return filepath.Join(p.Upstreams(), service) }
