package install

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"deployer/cmd/internal/cli"
	"deployer/providers"
)

// minSystemd is the oldest systemd that the units of services are written for.
const minSystemd = 252

// suits looks whether this is a machine to install on at all.
func (i *installer) suits(ctx context.Context) error {
	if !i.DryRun && i.Root == "" && os.Geteuid() != 0 {
		return cli.Usagef("installing needs root: run it with sudo, or with --dry-run to see what it would do")
	}
	if i.exists("/etc/NIXOS") {
		return cli.Usagef("this is NixOS, which is set up by its configuration: import config/nixos/module.nix")
	}
	if !i.isDir("/run/systemd/system") {
		return errors.New("systemd does not run this machine: Deployer needs systemd 252 or newer as its init")
	}
	out, err := i.Command(ctx, "systemctl", "--version")
	if err != nil {
		return err
	}
	version, err := systemdVersion(out)
	if err != nil {
		return err
	}
	if version < minSystemd {
		return fmt.Errorf("systemd %d is too old: Deployer needs %d or newer (Debian 12, Ubuntu 24.04)", version, minSystemd)
	}
	i.say(OK, fmt.Sprintf("systemd %d", version), "")
	return nil
}

// systemdVersion reads the second word of "systemd 257 (257.9-1~deb13u1)".
func systemdVersion(text string) (int, error) {
	words := strings.Fields(text)
	if len(words) > 1 {
		if n, err := strconv.Atoi(words[1]); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("systemctl --version says %q, which has no version", text)
}

// directories are those that people and other programs look into; the daemon makes the
// rest of its own.
func (i *installer) directories(context.Context) error {
	p := providers.DefaultPaths()
	err := errors.Join(
		i.directory(configDir, openDir),
		i.directory(p.StateDir, openDir), // Caddy and the programs pass through it
		i.directory(p.SecretsDir, closed),
	)
	if err != nil {
		return err
	}
	const gcroots = "/nix/var/nix/gcroots"
	if !i.isDir(gcroots) {
		i.say(Missing, "nix", "there is no "+gcroots+": install Nix, for example with apt-get install nix-bin nix-setup-systemd")
		return nil
	}
	return i.directory(p.RootsDir, openDir)
}

// explain is a command that failed, with what it said.
func explain(name string, args []string, err error) error {
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	line := strings.Join(append([]string{name}, args...), " ")
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		said := strings.Join(strings.Fields(string(exit.Stderr)), " ")
		return fmt.Errorf("running %s: %s: %w", line, said, err)
	}
	return fmt.Errorf("running %s: %w", line, err)
}
