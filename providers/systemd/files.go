package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "deployer/api/v1"
)

// owner says whose a unit's name is.
type owner int

const (
	nobody owner = iota
	ours
	foreign
)

// files is what the disk shows of a unit.
type files struct {
	owner owner
	// found: some unit file or some loaded unit has the name.
	found bool
	// text and port are the generated files.
	text, port fileState
	// linked: the link in the unit directory is ours and right.
	linked bool
	// enabled: multi-user.target wants the unit.
	enabled bool
	// masks hide our unit from a place that comes before it, or in its place.
	masks []string
	// dropIns are the *.conf files that somebody added by hand.
	dropIns []string
	// replaced: a regular file with our mark stands where the link should be.
	replaced bool
	// changedAt has the times of what somebody changed that programs run by: the text, the
	// file in its place, the drop-ins.
	changedAt []time.Time
}

// look reads the files of a unit and says whose it is.
func (m *Manager) look(ctx context.Context, l *listing, unit string) (files, error) {
	f, err := m.disk.look(l, unit)
	if err != nil || f.owner != nobody {
		return f, err
	}
	// What is left of a unit that has neither a file nor a process is only its name, which
	// somebody else waits for, or the memory of how it failed.
	row, loaded := l.rows[unit]
	if !loaded || row.LoadState == "not-found" && stopped(row) {
		return f, nil
	}
	f.found = true
	mine, err := m.orphan(ctx, l, unit)
	f.owner = foreign
	if mine {
		f.owner = ours
	}
	return f, err
}

// orphan reports whether a loaded unit without any file was ours: all of its files were
// deleted under it. It is still loaded from our path, or its process has our credential.
func (m *Manager) orphan(ctx context.Context, l *listing, unit string) (bool, error) {
	d, err := m.detail(ctx, l, Unit{Name: unit})
	if err != nil {
		return false, err
	}
	return d.fragment == m.disk.link(unit) || d.fragment == m.disk.text(unit) || d.fragment == "" && d.instance != "", nil
}

// look reads what the disk alone shows.
func (d *disk) look(l *listing, unit string) (files, error) {
	var f files
	var err error
	if f.text, err = d.file(d.text(unit), unit); err != nil {
		return f, err
	}
	f.noteChange(f.text)
	if _, slot, _ := parseUnit(unit); slot == v1.Standby {
		if f.port, err = d.file(portFile(d.paths, unit), unit); err != nil {
			return f, err
		}
	}
	target, entry, err := l.tree[d.paths.UnitDir].has(unit)
	if err != nil {
		return f, err
	}
	if err := d.classify(&f, unit, target, entry); err != nil {
		return f, err
	}
	if _, f.enabled, err = l.tree[d.wants()].has(unit); err != nil {
		return f, err
	}
	return f, d.search(&f, l, unit)
}

// classify decides from the entry in the unit directory whose the unit is.
func (d *disk) classify(f *files, unit, target string, entry bool) error {
	switch {
	case !entry:
		if f.text.found {
			f.owner = ours
		}
	case target == d.text(unit):
		f.owner, f.linked = ours, true
	case target == nullDevice && f.text.found:
		f.owner = ours
		f.masks = append(f.masks, d.link(unit))
	case target == "":
		replaced, err := d.file(d.link(unit), unit)
		if err != nil {
			return err
		}
		f.owner = foreign
		if replaced.marked {
			f.owner, f.replaced = ours, true
			f.noteChange(replaced)
		}
	default:
		f.owner = foreign
	}
	f.found = f.owner != nobody
	return nil
}

// search goes through systemd's directories: for units of that name that are not ours,
// for masks that come before our link, and for drop-ins.
func (d *disk) search(f *files, l *listing, unit string) error {
	before := slices.Contains(l.host.UnitPath, d.paths.UnitDir)
	for _, dir := range l.host.UnitPath {
		if dir == d.paths.UnitDir {
			before = false
		} else {
			target, found, err := l.tree[dir].has(unit)
			if err != nil {
				return err
			}
			if found {
				d.shadow(f, filepath.Join(dir, unit), target, before)
			}
		}
		if _, found := l.tree[dir].names[unit+".d"]; found && d.byHand(dir) {
			if err := f.addDropIns(filepath.Join(dir, unit+".d")); err != nil {
				return err
			}
		}
	}
	return nil
}

// shadow judges a file of our unit's name in another directory. Behind our link it has no
// effect; before it, a mask is drift and anything else is somebody's unit.
func (d *disk) shadow(f *files, path, target string, before bool) {
	f.found = true
	switch {
	case f.owner == nobody:
		f.owner = foreign
	case f.owner == ours && before && target == nullDevice:
		f.masks = append(f.masks, path)
	case f.owner == ours && before:
		f.owner = foreign
	}
}

func (f *files) addDropIns(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("listing drop-ins: %w", err)
	}
	for _, e := range list {
		if !strings.HasSuffix(e.Name(), ".conf") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		at, err := stampOf(path)
		if err != nil {
			return err
		}
		f.dropIns, f.changedAt = append(f.dropIns, path), append(f.changedAt, at.changed())
	}
	return nil
}

// noteChange notes a text that none of us wrote.
func (f *files) noteChange(text fileState) {
	if text.found && !text.sealed {
		f.changedAt = append(f.changedAt, text.stamp.changed())
	}
}

// changedBefore reports whether what started at that time may have started with a change
// of somebody.
func (f files) changedBefore(started time.Time) bool {
	return slices.ContainsFunc(f.changedAt, started.After)
}

// differs says for people how the files are not what the unit renders to.
func (f files) differs(u Unit, slot v1.Slot) []string {
	var out []string
	switch {
	case !f.text.found:
		out = append(out, "unit file missing")
	case f.text.sum != u.sum && f.text.sealed:
		out = append(out, "unit file outdated")
	case f.text.sum != u.sum:
		out = append(out, "unit file edited")
	}
	if u.PortFile != "" && (!f.port.found || f.port.sum != u.portSum) {
		out = append(out, "port file")
	}
	switch {
	case len(f.masks) > 0:
		out = append(out, "masked")
	case f.replaced:
		out = append(out, "link replaced by a file")
	case !f.linked:
		out = append(out, "not linked")
	}
	switch {
	case slot == v1.Primary && !f.enabled:
		out = append(out, "disabled")
	case slot != v1.Primary && f.enabled:
		out = append(out, "enabled")
	}
	for _, d := range f.dropIns {
		out = append(out, "drop-in "+filepath.Base(d))
	}
	return out
}
