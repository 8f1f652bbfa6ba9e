package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-logr/logr"
	"github.com/google/renameio/v2"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Install writes the slot's unit, its link and its enablement, takes away masks and
// drop-ins, and makes sure that systemd has exactly that loaded. It starts nothing.
// Reloads are shared, and left out for a unit that systemd has not loaded yet.
func (m *Manager) Install(ctx context.Context, spec providers.UnitSpec) error {
	unit := v1.UnitName(spec.Service, spec.Slot)
	if spec.Release == nil {
		return fmt.Errorf("installing %s: there is no release", unit)
	}
	u, err := m.render(ctx, spec)
	if err != nil {
		return fmt.Errorf("installing %s: %w", unit, err)
	}
	f, err := m.claim(ctx, unit)
	if err != nil && !errors.Is(err, errNoUnit) {
		return fmt.Errorf("installing %s: %w", unit, err)
	}
	wrote, err := m.write(ctx, u, f, spec.Slot)
	if err == nil && !wrote && m.isLoaded(ctx, u) {
		m.Relist() // its enablement may have been written
		return nil
	}
	if err == nil {
		err = m.load(ctx, u, wrote)
	}
	m.changed(unit)
	if err != nil {
		return fmt.Errorf("installing %s: %w", unit, err)
	}
	return nil
}

// write brings the files about and reports whether systemd may have something else loaded.
// The text comes first: it is what makes the unit ours.
func (m *Manager) write(ctx context.Context, u Unit, f files, slot v1.Slot) (wrote bool, err error) {
	if err := os.MkdirAll(m.o.Paths.Services(), 0o755); err != nil {
		return false, err
	}
	if f.text.sum != u.sum {
		wrote = true
		if err := writeFile(m.disk.text(u.Name), u.Text); err != nil {
			return wrote, err
		}
	}
	if f.port.sum != u.portSum && u.PortFile != "" {
		if err := writeFile(portFile(m.o.Paths, u.Name), u.PortFile); err != nil {
			return wrote, err
		}
	}
	if !f.linked {
		wrote = true
		if err := link(m.disk.text(u.Name), m.disk.link(u.Name)); err != nil {
			return wrote, err
		}
	}
	healed, err := m.undo(ctx, u.Name, f)
	if err != nil {
		return true, err
	}
	return wrote || healed, m.enable(u.Name, f, slot)
}

// enable writes the link that starts a primary at boot; a standby must not have one. What
// is loaded does not depend on it.
func (m *Manager) enable(unit string, f files, slot v1.Slot) error {
	switch {
	case slot == v1.Primary && !f.enabled:
		if err := os.MkdirAll(m.disk.wants(), 0o755); err != nil {
			return err
		}
		return link(m.disk.text(unit), m.disk.wanted(unit))
	case slot != v1.Primary && f.enabled:
		return removeFile(m.disk.wanted(unit))
	}
	return nil
}

// undo takes away what somebody put over our unit: masks in other directories (the one in
// ours was replaced by the link) and drop-ins.
func (m *Manager) undo(ctx context.Context, unit string, f files) (bool, error) {
	log := logr.FromContextOrDiscard(ctx)
	for _, path := range f.masks {
		if path == m.disk.link(unit) {
			continue
		}
		log.Info("removing a mask", "unit", unit, "path", path)
		if err := removeFile(path); err != nil {
			return true, err
		}
	}
	for _, path := range f.dropIns {
		log.Info("removing a drop-in", "unit", unit, "path", path)
		if err := removeFile(path); err != nil {
			return true, err
		}
		// Only an empty directory goes; what else is in it has no effect.
		_ = os.Remove(filepath.Dir(path))
	}
	return len(f.masks)+len(f.dropIns) > 0, nil
}

// isLoaded reports whether systemd is known to have the unit's text loaded. Most releases
// change no unit, and what the observation before has just compared is not asked again.
func (m *Manager) isLoaded(ctx context.Context, u Unit) bool {
	l, err := m.list(ctx)
	if err != nil {
		return false
	}
	if row, ok := l.rows[u.Name]; !ok || row.LoadState == "not-found" {
		return false
	}
	d, err := m.detail(ctx, l, u)
	return err == nil && len(d.differs) == 0
}

// load makes systemd have the unit's text and no other, and proves it by asking. A unit
// that was not loaded is read from disk by the question itself; only what was loaded
// before needs a reload.
func (m *Manager) load(ctx context.Context, u Unit, wrote bool) error {
	l, err := m.list(ctx)
	if err != nil {
		return err
	}
	row, loaded := l.rows[u.Name]
	reload := wrote && loaded && row.LoadState != "not-found"
	for {
		if reload {
			if err := m.reload.do(ctx); err != nil {
				return err
			}
		}
		_, p, err := m.fetch(ctx, u.Name)
		if err != nil {
			return err
		}
		differs := loadedDiffers(u, p, m.disk.link(u.Name))
		switch {
		case len(differs) == 0:
			return nil
		case reload:
			return &providers.Fault{
				Reason: "UnitNotLoaded",
				Message: fmt.Sprintf("systemd did not load %s as it is written (%s): see `systemctl status %s`",
					u.Name, strings.Join(differs, ", "), u.Name),
			}
		}
		reload = true
	}
}

// Remove deletes a stopped slot's links, then its text: until the text is gone the unit is
// ours, so a removal that was interrupted goes on.
func (m *Manager) Remove(ctx context.Context, service string, slot v1.Slot) error {
	unit := v1.UnitName(service, slot)
	err := m.remove(ctx, unit)
	m.changed(unit)
	m.texts.forget(unit)
	if err != nil {
		return fmt.Errorf("removing %s: %w", unit, err)
	}
	return nil
}

func (m *Manager) remove(ctx context.Context, unit string) error {
	f, err := m.claim(ctx, unit)
	if errors.Is(err, errNoUnit) {
		return nil
	}
	if err != nil {
		return err
	}
	l, err := m.list(ctx)
	if err != nil {
		return err
	}
	row, loaded := l.rows[unit]
	if loaded && row.ActiveState != "inactive" && row.ActiveState != "failed" {
		return &providers.Fault{Reason: "StillRunning", Message: unit + " still runs: stop it first", Err: providers.ErrConflict}
	}
	for _, path := range []string{m.disk.wanted(unit), m.disk.link(unit)} {
		if err := removeFile(path); err != nil {
			return err
		}
	}
	if _, err := m.undo(ctx, unit, f); err != nil {
		return err
	}
	if loaded {
		if err := m.resetFailed(ctx, unit); err != nil {
			return err
		}
		if err := m.reload.do(ctx); err != nil {
			return err
		}
	}
	if err := removeFile(portFile(m.o.Paths, unit)); err != nil {
		return err
	}
	return removeFile(m.disk.text(unit))
}

// writeFile replaces a file whole: temporary file, fsync, rename.
func writeFile(path, text string) error {
	return renameio.WriteFile(path, []byte(text), 0o644, renameio.WithStaticPermissions(0o644))
}

// linkSuffix ends the name under which a link is made before it is renamed into place.
const linkSuffix = ".biz-deployer"

// link makes or replaces a symlink by one rename, whatever stood there.
func link(target, path string) error {
	beside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+linkSuffix)
	if err := removeFile(beside); err != nil {
		return err
	}
	if err := os.Symlink(target, beside); err != nil {
		return err
	}
	return os.Rename(beside, path)
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
