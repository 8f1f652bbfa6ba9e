package env

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// programs are the project's own, from bin/ of the work tree. One that is not built yet is left
// out, and so are the units that run it.
var programs = []string{"biz-deployer", "deployerctl", "deploy-manifest", "deploy-push"}

// units are installed from config/ on a server.
var units = []struct{ name, program, target string }{
	{"caddy.service", "caddy", "multi-user.target"},
	{"biz-deployer-boot.service", "biz-deployer", "basic.target"},
	{"biz-deployer.service", "biz-deployer", "multi-user.target"},
}

// install puts onto the disk of a host that is off what a person would put there by hand.
func (h *Host) install(opts HostOptions) error {
	disk, err := os.OpenRoot(h.root())
	if err != nil {
		return fmt.Errorf("installing: %w", err)
	}
	defer disk.Close()
	files, err := h.programFiles()
	if err != nil {
		return err
	}
	more, err := h.configFiles(opts)
	if err != nil {
		return err
	}
	files = append(append(files, more...), opts.Files...)
	for _, file := range files {
		if err := place(disk, file); err != nil {
			return fmt.Errorf("installing %s: %w", file.Path, err)
		}
	}
	if h.Kind == Server && !opts.Bare {
		return h.enable(disk, opts.Enable)
	}
	return nil
}

// programFiles are the binaries; the tools come with a layer of the disk.
func (h *Host) programFiles() ([]File, error) {
	repo, err := RepoRoot()
	if err != nil {
		return nil, err
	}
	var files []File
	for _, name := range programs {
		data, err := os.ReadFile(filepath.Join(repo, "bin", name))
		if errors.Is(err, fs.ErrNotExist) || (h.Kind == Laptop && name == "biz-deployer") {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("installing %s: %w", name, err)
		}
		files = append(files, File{Path: "/usr/local/bin/" + name, Data: data, Mode: 0o755})
	}
	return files, nil
}

func (h *Host) configFiles(opts HostOptions) ([]File, error) {
	files := []File{
		{Path: "/etc/hostname", Data: []byte(h.Name + "\n"), Mode: 0o644},
		{Path: "/etc/hosts", Data: h.lab.hostsFile(), Mode: 0o644},
		{Path: "/root/.aws/credentials", Data: h.credentials(), Mode: 0o600},
	}
	if h.Kind == Laptop {
		config := "store: " + h.store(opts) + "\n"
		return append(files, File{Path: "/root/.config/deployer/config.yaml", Data: []byte(config), Mode: 0o644}), nil
	}
	if opts.Bare {
		return files, nil
	}
	config, err := h.daemonConfig(opts)
	if err != nil {
		return nil, err
	}
	files = append(files, File{Path: "/etc/biz-deployer/config.yaml", Data: config, Mode: 0o644})
	repo, err := RepoRoot()
	if err != nil {
		return nil, err
	}
	for _, unit := range units {
		data, err := os.ReadFile(filepath.Join(repo, "config/systemd", unit.name))
		if err != nil {
			return nil, fmt.Errorf("installing %s: %w", unit.name, err)
		}
		files = append(files, File{Path: "/etc/systemd/system/" + unit.name, Data: data, Mode: 0o644})
	}
	data, err := caddyConfig(repo, opts.Caddy)
	if err != nil {
		return nil, err
	}
	return append(files, File{Path: "/etc/caddy/caddy.json", Data: data, Mode: 0o644}), nil
}

// enable links the chosen units, as `systemctl enable` does.
func (h *Host) enable(disk *os.Root, chosen []string) error {
	for _, unit := range units {
		wants := path.Join("etc/systemd/system", unit.target+".wants")
		link := path.Join(wants, unit.name)
		if err := disk.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("enabling %s: %w", unit.name, err)
		}
		if _, err := disk.Stat("usr/local/bin/" + unit.program); err != nil {
			continue
		}
		if chosen != nil && !slices.Contains(chosen, unit.name) {
			continue
		}
		err := disk.MkdirAll(wants, 0o755)
		if err := errors.Join(err, disk.Symlink("/etc/systemd/system/"+unit.name, link)); err != nil {
			return fmt.Errorf("enabling %s: %w", unit.name, err)
		}
	}
	return nil
}

// place writes a file below the host's root, whatever links are in the way.
func place(disk *os.Root, file File) error {
	name := strings.TrimPrefix(path.Clean(file.Path), "/")
	if err := disk.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := disk.WriteFile(name, file.Data, file.Mode); err != nil {
		return err
	}
	return disk.Chmod(name, file.Mode)
}

// hostsFile names every machine of the lab; nothing of the outer machine's file gets in.
func (l *Lab) hostsFile() []byte {
	lines := []string{"127.0.0.1 localhost", "::1 localhost", l.S3.addr() + " s3", l.OuterAddr() + " outer"}
	for _, host := range l.Hosts() {
		lines = append(lines, host.Addr+" "+host.Name)
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// nameHosts tells the hosts that were there before about a new one.
func (l *Lab) nameHosts(_ context.Context) error {
	for _, host := range l.Hosts() {
		disk, err := os.OpenRoot(host.root())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("naming the hosts of lab %s: %w", l.Name, err)
		}
		// An overlay that is not mounted has an empty root and no /etc.
		if _, err := disk.Stat("etc"); err == nil {
			err = place(disk, File{Path: "/etc/hosts", Data: l.hostsFile(), Mode: 0o644})
			if err != nil {
				disk.Close()
				return fmt.Errorf("naming the hosts of lab %s: %w", l.Name, err)
			}
		}
		disk.Close()
	}
	return nil
}
