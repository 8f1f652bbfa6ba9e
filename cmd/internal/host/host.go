// Package host makes the adapters of a host from its configuration: the one list of what
// the commands on a host act through.
package host

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/go-logr/logr"

	"deployer/cmd/internal/hostconfig"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/caddy"
	"deployer/providers/nix"
	"deployer/providers/objectstore"
	"deployer/providers/probe"
	"deployer/providers/releases"
	"deployer/providers/secrets"
	"deployer/providers/statefile"
	"deployer/providers/systemd"
)

// Options of Open.
type Options struct {
	// Writer takes the lock of the one writer; the daemon sets it. Without it everything
	// can be observed, and nothing should be changed.
	Writer bool
}

// Handle is an open host. Close it.
type Handle struct {
	providers.Host
	Config     hostconfig.Config
	Name       string
	Location   objectstore.Location
	Objects    providers.Objects
	Repository *manifest.Repository
	Nix        *nix.Manager
	Cache      *nix.Cache
	Caddy      *caddy.Client
	Systemd    *systemd.Manager

	state *statefile.Files
}

// Open makes the adapters. It asks neither the store nor Caddy anything yet.
func Open(ctx context.Context, c hostconfig.Config, o Options) (*Handle, error) {
	h := &Handle{Config: c, Name: c.Host}
	paths := c.Paths()
	if err := h.openState(paths, o); err != nil {
		return nil, err
	}
	if err := h.open(ctx, paths); err != nil {
		h.Close()
		return nil, err
	}
	if o.Writer {
		if err := h.Nix.Sweep(); err != nil {
			logr.FromContextOrDiscard(ctx).Error(err, "sweeping what an earlier daemon left of its pulls")
		}
	}
	if err := h.pinName(ctx); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Handle) openState(paths providers.Paths, o Options) (err error) {
	if !o.Writer {
		look := onlooker{statefile.NewReader(paths)}
		h.States, h.History, h.Holds = look, look, look
		return nil
	}
	h.state, err = statefile.Open(statefile.Options{Paths: paths})
	h.States, h.History, h.Holds = h.state, h.state, h.state
	return err
}

func (h *Handle) open(ctx context.Context, paths providers.Paths) (err error) {
	c := h.Config
	if h.Location, err = objectstore.Parse(c.Store); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if h.Objects, err = objectstore.Open(ctx, c.Store, objectstore.Options{}); err != nil {
		return err
	}
	h.Repository = manifest.NewRepository(manifest.Options{Objects: h.Objects, StoreName: h.Location.String()})
	cache, err := h.openCache(ctx)
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if h.Cache, err = nix.NewCache(cache, c.TrustedPublicKeys); err != nil {
		return fmt.Errorf("trustedPublicKeys: %w", err)
	}
	if h.Nix, err = nix.New(nix.Options{
		Paths: paths, Objects: cache, TrustedPublicKeys: c.TrustedPublicKeys, Pulls: c.Pulls,
	}); err != nil {
		return err
	}
	if h.Systemd, err = systemd.New(systemd.Options{Paths: paths, CredentialsDir: credentialsDir(), Fallback: bootCommand()}); err != nil {
		return err
	}
	if h.Caddy, err = caddy.New(caddy.Options{Admin: c.Caddy.Admin, Server: c.Caddy.Server, Paths: paths}); err != nil {
		return err
	}
	directory := releases.New(releases.Options{Paths: paths})
	h.Closures, h.Units, h.Routes, h.Releases = h.Nix, h.Systemd, h.Caddy, directory
	h.Leftovers = []providers.Leftovers{h.Nix, h.Systemd, directory}
	h.Secrets, h.Prober = secrets.New(paths), probe.New(probe.Options{Command: h.Systemd.Check})
	h.Ports = probe.NewPorts(probe.PortsOptions{})
	return nil
}

// openCache is where closures come from: the store, unless the configuration says otherwise.
func (h *Handle) openCache(ctx context.Context) (providers.Objects, error) {
	switch url := h.Config.Cache; {
	case url == "":
		return h.Objects, nil
	case strings.HasPrefix(url, "http://"), strings.HasPrefix(url, "https://"):
		return nix.OpenHTTPCache(url)
	default:
		return objectstore.Open(ctx, url, objectstore.Options{})
	}
}

// credentialsDir is where the credentials of units can be read. systemd hides
// /run/credentials from a sandbox, so the daemon's unit binds it to another place.
func credentialsDir() string {
	const bound = "/run/biz-deployer/credentials"
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err == nil && strings.Contains(string(mounts), " "+bound+" ") {
		return bound
	}
	return "/run/credentials"
}

// bootCommand is what a standby runs as it ends. On NixOS the program is where the system
// in force has it, which stays the same from one version to the next.
func bootCommand() []string {
	const onNixOS = "/run/current-system/sw/bin/biz-deployer"
	if _, err := os.Stat(onNixOS); err == nil {
		return []string{onNixOS, "boot"}
	}
	return systemd.DefaultFallback()
}

// pinName keeps the name that this host answered to first: a machine that is renamed must
// not take everything down and start another host's services.
func (h *Handle) pinName(ctx context.Context) error {
	pinned, err := h.States.HostName(ctx, h.Config.Host)
	if err != nil {
		return fmt.Errorf("pinning the host's name: %w", err)
	}
	if pinned != h.Config.Host {
		logr.FromContextOrDiscard(ctx).Info("this host keeps the name it had", "name", pinned, "reason", "HostRenamed")
	}
	h.Name = pinned
	return nil
}

// Close gives the lock and the connections back.
func (h *Handle) Close() {
	if h.Systemd != nil {
		h.Systemd.Close()
	}
	if h.state != nil {
		_ = h.state.Close() // the process ends, and the lock with it
	}
}
