package env

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Kind is what a host is for.
type Kind string

const (
	// Server runs Caddy and the daemon. The default.
	Server Kind = "server"
	// Laptop is the developer's side: Nix and the commands, no daemon, no Caddy, and S3
	// credentials that may write.
	Laptop Kind = "laptop"
)

// HostOptions say how a host differs from the usual one. They act when a host is first made; for
// one that runs already Up changes nothing.
type HostOptions struct {
	Kind Kind
	// Store is the URL that the host's configuration names; empty means the lab's S3 with the
	// host's own user.
	Store string
	// TrustedPublicKeys are the Nix keys whose closures the host accepts, as `name:base64`.
	TrustedPublicKeys []string
	// Config is laid over /etc/biz-deployer/config.yaml, map by map; a nil value removes a key.
	Config map[string]any
	// Caddy is laid in the same way over /etc/caddy/caddy.json.
	Caddy map[string]any
	// Bare leaves a server without configuration and units, as a machine is before anybody
	// set it up: only the programs are there.
	Bare bool
	// Files are written before the first boot, after everything else.
	Files []File
	// Enable names the units that start at boot; nil means all that are installed, and an empty
	// list none.
	Enable []string
}

// File is a file on a host.
type File struct {
	Path string
	Data []byte
	Mode fs.FileMode
}

// Host is one machine of a lab.
type Host struct {
	Name string
	Kind Kind
	// Addr is its address, reachable from the outer machine and from the other hosts, which
	// also know it by name.
	Addr string

	lab    *Lab
	number int
	cgroup cgroup
}

// Names of hosts are host names, and the state files are named after them.
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

func newHost(lab *Lab, record hostRecord) *Host {
	return &Host{
		Name:   record.Name,
		Kind:   record.Kind,
		Addr:   lab.net.addr(record.Number),
		lab:    lab,
		number: record.Number,
		cgroup: lab.cgroup.child("host-" + record.Name),
	}
}

// Up boots a host and returns when its systemd has started everything. A host that runs is left
// as it is; one that was powered off boots again with its disk, binaries and configuration
// installed anew.
func (l *Lab) Up(ctx context.Context, name string, opts HostOptions) (*Host, error) {
	host, err := l.claim(ctx, name, opts)
	if err != nil {
		return nil, fmt.Errorf("bringing up host %s: %w", name, err)
	}
	if host.Running() {
		return host, nil
	}
	if err := host.mount(); err != nil {
		return nil, fmt.Errorf("bringing up host %s: %w", name, err)
	}
	if err := host.install(opts); err != nil {
		return nil, fmt.Errorf("bringing up host %s: %w", name, err)
	}
	if err := host.Boot(ctx); err != nil {
		return nil, err
	}
	return host, l.nameHosts(ctx)
}

// claim gives the host its number, namespace and S3 user, or finds the one that has them.
func (l *Lab) claim(ctx context.Context, name string, opts HostOptions) (*Host, error) {
	if !hostName.MatchString(name) || name == "s3" || name == "localhost" {
		return nil, fmt.Errorf("%q cannot be the name of a host", name)
	}
	if opts.Kind == "" {
		opts.Kind = Server
	}
	unlock, err := lockState()
	if err != nil {
		return nil, err
	}
	defer unlock()
	host := l.Host(name)
	if host == nil {
		records, err := l.hostRecords()
		if err != nil {
			return nil, err
		}
		record := hostRecord{Name: name, Kind: opts.Kind, Number: freeNumber(records)}
		if i := slices.IndexFunc(records, func(r hostRecord) bool { return r.Name == name }); i >= 0 {
			record = records[i]
		}
		if err := writeRecord(l.hostFile(name, ".json"), record); err != nil {
			return nil, err
		}
		host = newHost(l, record)
		l.mu.Lock()
		l.hosts[name] = host
		l.mu.Unlock()
	}
	if host.Kind != opts.Kind {
		return nil, fmt.Errorf("it exists and is a %s, not a %s", host.Kind, opts.Kind)
	}
	if err := l.net.join(ctx, name, host.number); err != nil {
		return nil, err
	}
	if host.Kind == Server {
		return host, l.S3.addHost(ctx, name)
	}
	return host, nil
}

func freeNumber(records []hostRecord) int {
	number := firstHostNumber
	for slices.ContainsFunc(records, func(r hostRecord) bool { return r.Number == number }) {
		number++
	}
	return number
}

// Host returns the host of that name, or nil.
func (l *Lab) Host(name string) *Host {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hosts[name]
}

// Hosts returns every host of the lab, running or not, by name.
func (l *Lab) Hosts() []*Host {
	l.mu.Lock()
	defer l.mu.Unlock()
	var hosts []*Host
	for _, host := range l.hosts {
		hosts = append(hosts, host)
	}
	slices.SortFunc(hosts, func(a, b *Host) int { return strings.Compare(a.Name, b.Name) })
	return hosts
}

func (l *Lab) hostFile(name, suffix string) string {
	return filepath.Join(l.stateDir(), "hosts", name+suffix)
}

func (l *Lab) hostRecords() ([]hostRecord, error) {
	paths, _ := filepath.Glob(l.hostFile("*", ".json"))
	var records []hostRecord
	for _, path := range paths {
		var record hostRecord
		if err := readRecord(path, &record); err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

func (h *Host) diskDir() string { return filepath.Join(h.lab.diskDir(), h.Name) }

// root is where the outer machine sees the host's disk. Files go there before the boot only:
// what the host mounts over it (/run, /tmp, …) is not seen here.
func (h *Host) root() string { return filepath.Join(h.diskDir(), "root") }

// mount lays the host's own disk over the image. An overlay cannot have another overlay as its
// upper layer, so where the disk directory lies on one (in a container) it gets a tmpfs.
func (h *Host) mount() error {
	mounts, err := mountsBelow(h.diskDir())
	if err != nil || slices.Contains(mounts, h.root()) {
		return err
	}
	image, err := Image()
	if err != nil {
		return err
	}
	tools, err := ToolsDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(h.diskDir(), 0o755); err != nil {
		return fmt.Errorf("making the disk: %w", err)
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(h.diskDir(), &stat); err != nil {
		return fmt.Errorf("making the disk: %w", err)
	}
	if stat.Type == unix.OVERLAYFS_SUPER_MAGIC {
		if err := unix.Mount("tmpfs", h.diskDir(), "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("making the disk: mounting a tmpfs: %w", err)
		}
	}
	upper, work := filepath.Join(h.diskDir(), "upper"), filepath.Join(h.diskDir(), "work")
	for _, dir := range []string{upper, work, h.root()} {
		// Mkdir obeys the umask, and the mode of upper is the mode of the host's /.
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o755)); err != nil {
			return fmt.Errorf("making the disk: %w", err)
		}
	}
	layers := fmt.Sprintf("lowerdir=%s:%s,upperdir=%s,workdir=%s", filepath.Join(tools, "host"), image, upper, work)
	if err := unix.Mount("overlay", h.root(), "overlay", 0, layers); err != nil {
		return fmt.Errorf("making the disk: mounting an overlay (%s): %w", layers, err)
	}
	return nil
}

// Down powers the host off at once and removes it with its disk.
func (h *Host) Down(ctx context.Context) error {
	unlock, err := lockState()
	if err != nil {
		return err
	}
	defer unlock()
	if err := h.PowerOff(); err != nil {
		return err
	}
	if err := unmountBelow(h.diskDir()); err != nil {
		return err
	}
	errs := []error{h.lab.net.leave(ctx, h.Name, h.number), os.RemoveAll(h.diskDir())}
	states, _ := filepath.Glob(h.lab.hostFile(h.Name, ".*"))
	for _, path := range states {
		errs = append(errs, os.Remove(path))
	}
	h.lab.mu.Lock()
	delete(h.lab.hosts, h.Name)
	h.lab.mu.Unlock()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("taking down host %s: %w", h.Name, err)
	}
	return nil
}
