package install

import (
	"context"
	"crypto/md5" //nolint:gosec // dpkg's own sums, against accidents
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"deployer/config"
)

const (
	caddyConfig = caddyDir + "/caddy.json"
	caddyfile   = caddyDir + "/Caddyfile"
	caddyHome   = "/var/lib/caddy"
	// autosave is what --resume starts from.
	autosave = caddyHome + "/.config/caddy/autosave.json"
)

// webServer gives Caddy a unit with --resume and an admin socket of its own, where nobody
// else has configured it.
func (i *installer) webServer(ctx context.Context) error {
	switch {
	case i.WithoutCaddy:
		i.say(OK, "caddy", "left alone")
		return nil
	case !i.exists("/usr/local/bin/caddy") && !i.exists("/usr/bin/caddy"):
		i.say(Missing, "caddy", "services with http need Caddy 2.11.1 or newer: see https://caddyserver.com/docs/install "+
			"(Debian's own package is older), and run this again")
		return nil
	}
	if whose := i.caddyIsSomebodys(ctx); whose != "" && !i.Force {
		i.leaveCaddy(ctx, whose)
		return nil
	}
	i.caddy = true
	fresh := !i.isRecorded(filepath.Join(unitDir, caddyUnit), config.Units()[caddyUnit])
	err := i.caddyUser(ctx)
	if err == nil {
		_, err = i.file(caddyConfig, config.Caddy())
	}
	if err == nil {
		err = i.unit(caddyUnit)
	}
	if err == nil && fresh {
		err = errors.Join(i.dropInsAside(), i.autosaveAside())
	}
	return err
}

// caddyIsSomebodys says, as half a sentence, by what it shows that somebody configured
// Caddy here; empty when nobody has, or when we have.
func (i *installer) caddyIsSomebodys(ctx context.Context) string {
	unit := filepath.Join(unitDir, caddyUnit)
	switch {
	case i.exists(unit) && !i.isRecorded(unit, config.Units()[caddyUnit]):
		return unit + " is not ours"
	case i.exists(caddyConfig) && !i.isRecorded(caddyConfig, config.Caddy()):
		return caddyConfig + " is not ours"
	case i.exists(unit):
		return ""
	case len(i.dropIns()) > 0:
		return "it has drop-ins, " + strings.Join(i.dropIns(), ", ")
	case i.says(ctx, "is-enabled", "caddy-api.service") == "enabled":
		return "caddy-api.service is enabled"
	case i.exists(caddyfile) && !i.isPackaged(ctx, caddyfile):
		return caddyfile + " is somebody's"
	}
	return ""
}

// leaveCaddy says whether somebody's Caddy will do.
func (i *installer) leaveCaddy(ctx context.Context, whose string) {
	text, _ := i.Command(ctx, "systemctl", "cat", caddyUnit)
	const look = "doctor looks at its version and its admin API, whose address belongs into caddy.admin of our configuration"
	if strings.Contains(text, "--resume") || i.says(ctx, "is-enabled", "caddy-api.service") == "enabled" {
		i.say(OK, "caddy", "left as it is, for "+whose+"; it runs with --resume; "+look)
		return
	}
	i.say(Kept, "caddy", "left as it is, for "+whose+"; it runs without --resume, so a restart or a reload drops routes until they are "+
		"written again: add --resume by `systemctl edit caddy`, or --force installs ours and keeps what is there as .bak; "+look)
}

// isRecorded: the file is as an earlier run left it, or as this one would.
func (i *installer) isRecorded(path string, data []byte) bool {
	have, err := os.ReadFile(i.path(path))
	return err == nil && (hashOf(have) == hashOf(data) || i.record[path] == hashOf(have))
}

// isPackaged asks dpkg whether a file is as its package brought it.
func (i *installer) isPackaged(ctx context.Context, path string) bool {
	have, err := os.ReadFile(i.path(path))
	if err != nil {
		return false
	}
	list, err := i.Command(ctx, "dpkg-query", "-W", "-f=${Conffiles}", "caddy")
	if err != nil {
		return false
	}
	sum := md5.Sum(have) //nolint:gosec // as above
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == path && f[1] == hex.EncodeToString(sum[:]) {
			return true
		}
	}
	return false
}

// caddyUser makes the user that the unit names, as Caddy's manual says to.
func (i *installer) caddyUser(ctx context.Context) error {
	users, err := os.ReadFile(i.path("/etc/passwd"))
	if err != nil {
		return fmt.Errorf("looking for the user caddy: %w", err)
	}
	if strings.Contains("\n"+string(users), "\ncaddy:") {
		i.say(OK, "user caddy", "")
		return nil
	}
	i.say(Made, "user caddy", "home "+caddyHome)
	if i.DryRun {
		return nil
	}
	_, err = i.Command(ctx, "useradd", "--system", "--create-home", "--home-dir", caddyHome, "--shell", "/usr/sbin/nologin", "--user-group", "caddy")
	return err
}

func (i *installer) dropIns() []string {
	paths, _ := filepath.Glob(i.path(filepath.Join(unitDir, caddyUnit+".d", "*.conf")))
	for k, p := range paths {
		paths[k] = strings.TrimPrefix(p, filepath.Clean("/"+i.Root))
	}
	return paths
}

// dropInsAside: they were written for another unit. It comes to this only with Force.
func (i *installer) dropInsAside() error {
	for _, path := range i.dropIns() {
		if err := i.aside(path, "it was written for another caddy.service"); err != nil {
			return err
		}
	}
	return nil
}

// autosaveAside: what Caddy had before would come back with --resume, and without our
// admin socket.
func (i *installer) autosaveAside() error {
	have, err := os.ReadFile(i.path(autosave))
	if err != nil || strings.Contains(string(have), "unix//run/caddy/admin.sock") {
		return nil //nolint:nilerr // what is not there brings nothing back
	}
	return i.aside(autosave, "--resume would bring it back")
}

func (i *installer) aside(path, why string) error {
	i.say(Changed, path, "moved to "+filepath.Base(path)+".bak: "+why)
	if i.DryRun {
		return nil
	}
	if err := os.Rename(i.path(path), i.path(path)+".bak"); err != nil {
		return fmt.Errorf("moving a file of Caddy's aside: %w", err)
	}
	return nil
}
