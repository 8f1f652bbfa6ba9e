package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"deployer/providers"
)

var _ providers.Leftovers = (*Manager)(nil)

// Leftovers lists the links and texts that a crash left between writing and renaming, and
// enablements of units of which nothing else is there. It asks the disk only.
func (m *Manager) Leftovers(context.Context) ([]providers.Leftover, error) {
	var out []providers.Leftover
	for _, dir := range []string{m.o.Paths.Services(), m.o.Paths.UnitDir, m.disk.wants()} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, unavailable("listing unfinished units", err)
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			service, ok, err := m.leftover(path)
			if err != nil {
				return nil, unavailable("listing unfinished units", err)
			}
			if ok {
				out = append(out, providers.Leftover{Service: service, Path: path})
			}
		}
	}
	return out, nil
}

// Clear deletes one of them.
func (m *Manager) Clear(_ context.Context, l providers.Leftover) error {
	if _, err := os.Lstat(l.Path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	service, ok, err := m.leftover(l.Path)
	if err != nil {
		return unavailable("clearing "+l.Path, err)
	}
	if service != l.Service || filepath.Clean(l.Path) != l.Path {
		return fmt.Errorf("clearing %s: not an unfinished unit of %s", l.Path, l.Service)
	}
	if !ok {
		return nil // whole by now
	}
	defer m.Relist()
	if err := removeFile(l.Path); err != nil {
		return fmt.Errorf("clearing %s: %w", l.Path, err)
	}
	return nil
}

// leftover says of which service a path is, if we might have made it, and whether it is
// left over.
func (m *Manager) leftover(path string) (service string, is bool, err error) {
	dir, name := filepath.Split(path)
	switch filepath.Clean(dir) {
	case m.o.Paths.Services():
		service, is = unfinishedText(name)
		return service, is, nil
	case m.o.Paths.UnitDir:
		service, is = unfinishedLink(name)
		return service, is, nil
	case m.disk.wants():
		if service, is = unfinishedLink(name); is {
			return service, true, nil
		}
		return m.bareEnablement(path, name)
	}
	return "", false, nil
}

// bareEnablement: the link in multi-user.target.wants points to a text of ours, and
// neither that nor the unit's own link is there. systemd passes over it at every boot.
func (m *Manager) bareEnablement(path, unit string) (service string, is bool, err error) {
	service, _, ok := parseUnit(unit)
	target, err := os.Readlink(path)
	if !ok || err != nil || target != m.disk.text(unit) {
		return "", false, nil //nolint:nilerr // what is no link is not ours
	}
	for _, needed := range []string{m.disk.text(unit), m.disk.link(unit)} {
		s, err := stampOf(needed)
		if err != nil || s != (stamp{}) {
			return service, false, err
		}
	}
	return service, true, nil
}

// unfinishedLink is the name under which link prepares one.
func unfinishedLink(name string) (service string, ok bool) {
	unit, ok := strings.CutPrefix(name, ".")
	unit, suffixed := strings.CutSuffix(unit, linkSuffix)
	service, _, parsed := parseUnit(unit)
	return service, ok && suffixed && parsed
}

// unfinishedText is the name under which renameio prepares a unit's text, or its port file:
// a dot, the name, and a random number.
func unfinishedText(name string) (service string, ok bool) {
	text, hidden := strings.CutPrefix(name, ".")
	meant := strings.TrimRight(text, "0123456789")
	if !hidden || meant == text {
		return "", false
	}
	if port, is := strings.CutSuffix(meant, ".port"); is {
		meant = port + ".service"
	}
	service, _, ok = parseUnit(meant)
	return service, ok
}
