package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/host"
	"deployer/providers/nix"
)

// doctor has a check per thing that a host needs.
type doctor struct{ *host.Handle }

func ok(check, format string, args ...any) finding {
	return finding{Check: check, OK: true, Message: fmt.Sprintf(format, args...)}
}

func bad(check, remedy, format string, args ...any) finding {
	return finding{Check: check, Message: fmt.Sprintf(format, args...), Remedy: remedy}
}

func checkRoot() finding {
	if os.Geteuid() != 0 {
		return bad("root", "run it again with sudo", "not root: most checks see less than they should")
	}
	return ok("root", "running as root")
}

func (a *app) checkDaemon(ctx context.Context) finding {
	state, err := a.client.Status(ctx)
	if err != nil {
		return bad("daemon", "systemctl start biz-deployer, then journalctl -u biz-deployer", "%v", err)
	}
	return ok("daemon", "runs, version %s, generation %d", state.Daemon, state.ObservedGeneration)
}

// store reads the manifest as the daemon would.
func (d *doctor) store(ctx context.Context) []finding {
	s, err := d.Repository.Read(ctx)
	if err != nil {
		return []finding{bad("store", "look at `store` in the configuration and at the credentials", "%v", err)}
	}
	out := []finding{ok("store", "%s has generation %d, %d services", d.Location, s.Manifest.Generation, len(s.Manifest.Services))}
	if floor, err := d.States.Floor(ctx); err == nil && floor.Lineage != "" && floor.Lineage != s.Manifest.Lineage {
		out = append(out, bad("lineage", "deployerctl adopt, if that is meant",
			"the store has lineage %s, this host obeys %s", s.Manifest.Lineage, floor.Lineage))
	}
	if d.Name != d.Config.Host {
		out = append(out, bad("host name", "put the old name back into `host`; if this machine is to become another host: "+
			"systemctl stop biz-deployer, delete "+d.Config.Paths().StateDir+"/hostname, start it again",
			"this host answers to %s, the name of its first start, and the configuration says %s", d.Name, d.Config.Host))
	}
	mine := 0
	for _, service := range s.Manifest.Services {
		if service.RunsOn(d.Name) {
			mine++
		}
	}
	if mine == 0 && len(s.Manifest.Services) > 0 {
		out = append(out, bad("host name", "correct `hosts` in the manifest, or `host` in the configuration",
			"no service of the manifest names this host, %s", d.Name))
	}
	return out
}

func (d *doctor) keys(context.Context) []finding {
	if len(d.Config.TrustedPublicKeys) == 0 {
		return []finding{bad("keys", "add the public key that `deploy-manifest keygen` prints to trustedPublicKeys",
			"trustedPublicKeys is empty: no closure can be pulled")}
	}
	var names []string
	for _, k := range d.Config.TrustedPublicKeys {
		name, _, _ := strings.Cut(k, ":")
		names = append(names, name)
	}
	return []finding{ok("keys", "closures signed by %s are accepted", strings.Join(names, ", "))}
}

// clock asks the kernel: certificates, S3 signatures and expiry need the right time.
func (d *doctor) clock(context.Context) []finding {
	var unsynced syscall.Timex
	state, err := syscall.Adjtimex(&unsynced)
	const timeError = 5 // TIME_ERROR: the kernel's clock is not synchronised
	if err != nil || state == timeError {
		return []finding{bad("clock", "systemctl enable --now systemd-timesyncd", "the clock is not synchronised (it says %s)", time.Now().UTC().Format(time.RFC3339))}
	}
	return []finding{ok("clock", "synchronised")}
}

func (d *doctor) nix(ctx context.Context) []finding {
	if _, err := exec.LookPath("nix-store"); err != nil {
		return []finding{bad("nix", "install Nix, for example the Debian package nix-bin", "nix-store is not on this host")}
	}
	out, err := exec.CommandContext(ctx, "nix-store", "--version").Output()
	if err != nil {
		return []finding{bad("nix", "run nix-store --version", "nix-store does not run: %v", err)}
	}
	findings := []finding{ok("nix", "%s", strings.TrimSpace(string(out)))}
	if _, err := d.Closures.Roots(ctx); err != nil {
		return append(findings, bad("nix roots", "look at the directory's owner and mode", "%v", err))
	}
	return findings
}

func (d *doctor) systemd(ctx context.Context) []finding {
	units, err := d.Units.Owned(ctx)
	if err != nil {
		return []finding{bad("systemd", "run as root, on a machine that systemd runs", "%v", err)}
	}
	out := []finding{ok("systemd", "answers; %d units are ours", len(units))}
	for _, u := range units {
		name := v1.UnitName(u.Service, u.Slot)
		facts, err := d.Releases.Observe(ctx, u.Service)
		switch {
		case err != nil:
			out = append(out, bad("unit", "look at the release directories' owner and mode", "%s: %v", name, err))
		case facts.Pointers[u.Slot] == "":
			out = append(out, bad("unit", "deployerctl sync", "%s is ours, and no release belongs to it", name))
		}
	}
	return out
}

func (d *doctor) caddy(ctx context.Context) []finding {
	var out []finding
	for _, f := range d.Caddy.Check(ctx) {
		out = append(out, finding{Check: f.Name, OK: f.OK, Message: f.Message, Remedy: f.Remedy})
	}
	return out
}

// secrets checks the file of every service that names one.
func (d *doctor) secrets(ctx context.Context) []finding {
	s, err := d.Repository.Read(ctx)
	if err != nil {
		return nil // said by the store's check
	}
	var out []finding
	for _, service := range s.Manifest.Services {
		if service.EnvFile == "" || !service.RunsOn(d.Name) {
			continue
		}
		if _, err := d.Secrets.Read(ctx, service.EnvFile); err != nil {
			out = append(out, bad("secrets", "", "%s: %v", service.Name, err))
			continue
		}
		out = append(out, ok("secrets", "%s: %s is readable by root only", service.Name, service.EnvFile))
	}
	return out
}

// lowDisk and lowRun are the free bytes below which Nix, or systemd's reload, will fail.
const (
	lowDisk = 1 << 30
	lowRun  = 16 << 20
)

func (d *doctor) disk(context.Context) []finding {
	var out []finding
	for _, wanted := range []struct {
		path string
		low  uint64
	}{{"/nix/store", lowDisk}, {d.Config.Paths().StateDir, lowDisk / 10}, {"/run", lowRun}} {
		path, low := wanted.path, wanted.low
		var fs syscall.Statfs_t
		if err := syscall.Statfs(path, &fs); err != nil {
			out = append(out, bad("disk", "", "%s: %v", path, err))
			continue
		}
		free := fs.Bavail * uint64(fs.Bsize) //nolint:gosec // a block size is positive
		if free < low {
			out = append(out, bad("disk", "free some space, for example with nix-collect-garbage", "%s has %s free, %s are wanted", path, inUnits(free), inUnits(low)))
			continue
		}
		out = append(out, ok("disk", "%s has %s free", path, inUnits(free)))
	}
	return out
}

func inUnits(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	if n < unit*unit {
		return fmt.Sprintf("%d KiB", n/unit)
	}
	if n < unit*unit*unit {
		return fmt.Sprintf("%.1f MiB", float64(n)/(unit*unit))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(unit*unit*unit))
}

func printClosure(w io.Writer, paths []nix.PathStatus) error {
	t := cli.NewTable(w, "store path", "in the cache", "download", "signed by", "trusted")
	var total int64
	for _, p := range paths {
		found, trusted := "yes", "yes"
		if !p.Found {
			found = "NO"
		}
		if !p.Trusted() {
			trusted = "NO"
		}
		if p.Problem != "" {
			trusted = "NO: " + p.Problem
		}
		total += p.DownloadSize
		t.AppendRow([]any{p.StorePath, found, inUnits(uint64(max(p.DownloadSize, 0))), strings.Join(p.Signatures, ", "), trusted}) //nolint:gosec // not negative
	}
	t.Render()
	fmt.Fprintf(w, "%d paths, %s to download\n", len(paths), inUnits(uint64(max(total, 0)))) //nolint:gosec // not negative
	return nil
}
