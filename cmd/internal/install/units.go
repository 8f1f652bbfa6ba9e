package install

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"deployer/config"
)

const (
	daemonUnit = "biz-deployer.service"
	bootUnit   = "biz-deployer-boot.service"
	caddyUnit  = "caddy.service"
)

// ownUnits installs the daemon's units.
func (i *installer) ownUnits(context.Context) error {
	return errors.Join(i.unit(bootUnit), i.unit(daemonUnit))
}

// unit installs one; a process that runs by an older text is started anew later.
func (i *installer) unit(name string) error {
	wrote, err := i.file(filepath.Join(unitDir, name), config.Units()[name])
	if wrote {
		i.unitsChanged, i.restart[name] = true, true
	}
	return err
}

// load makes systemd read what was written.
func (i *installer) load(ctx context.Context) error {
	if !i.unitsChanged {
		return nil
	}
	i.say(Changed, "systemd", "reads its units again")
	if i.DryRun {
		return nil
	}
	_, err := i.Command(ctx, "systemctl", "daemon-reload")
	return err
}

// start enables the units, and starts those that run. The oneshot is for boots.
func (i *installer) start(ctx context.Context) error {
	units := []string{bootUnit, caddyUnit, daemonUnit}
	for _, name := range units {
		if name == caddyUnit && !i.caddy {
			continue
		}
		if err := i.bringUp(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// bringUp says in one line what became of a unit.
func (i *installer) bringUp(ctx context.Context, name string) error {
	result, notes := OK, []string{}
	do := func(r Result, verb, done string) error {
		result, notes = r, append(notes, done)
		if i.DryRun {
			return nil
		}
		_, err := i.Command(ctx, "systemctl", verb, "--quiet", name)
		if err != nil && verb != "enable" {
			err = fmt.Errorf("%w; look at journalctl -u %s -n 30", err, strings.TrimSuffix(name, ".service"))
		}
		return err
	}
	var err error
	if i.says(ctx, "is-enabled", name) != "enabled" {
		err = do(Made, "enable", "enabled")
	}
	if err == nil && name != bootUnit && !i.NoStart {
		switch active := i.says(ctx, "is-active", name) == "active"; {
		case !active:
			err = do(Made, "start", "started")
		case i.restart[name]:
			err = do(Changed, "restart", "started again")
		}
	}
	if err == nil {
		i.say(result, name, or(strings.Join(notes, ", "), "enabled"))
	}
	return err
}

// says is the one word that systemctl answers; its exit status only repeats it.
func (i *installer) says(ctx context.Context, question, unit string) string {
	out, _ := i.Command(ctx, "systemctl", question, unit)
	return strings.TrimSpace(out)
}
