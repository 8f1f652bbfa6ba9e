package v1

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// ChangeKind says what happened to a service or to a field.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "Added"
	Removed ChangeKind = "Removed"
	Changed ChangeKind = "Changed"
)

// Change is one difference between two manifests.
type Change struct {
	// Service that differs; empty for a field of the document.
	Service string `json:"service,omitempty"`
	// Field is the path in the service, as SetField takes it: "http.path", "env.PORT".
	// Empty when the whole service came or went; "removed" when it was put on that list
	// or taken off it.
	Field string     `json:"field,omitempty"`
	Kind  ChangeKind `json:"kind"`
	// Old and New are values of the manifest's own types; nil on the side without one.
	Old any `json:"old,omitempty"`
	New any `json:"new,omitempty"`
	// NewProcess: the change is part of the release, so the program is started anew.
	NewProcess bool `json:"newProcess,omitempty"`
}

// Diff lists what differs, services in the order of the new manifest, then those that
// only the old one has. Who wrote which generation when, and the order of services, are
// no differences. A nil manifest is an empty one.
func Diff(before, after *Manifest) []Change {
	if before == nil {
		before = &Manifest{}
	}
	if after == nil {
		after = &Manifest{}
	}
	d := differ{}
	d.leaf("expires", reflect.ValueOf(before.Expires), reflect.ValueOf(after.Expires))
	old := byName(before.Services)
	for i := range after.Services {
		s := &after.Services[i]
		if was := old[s.Name]; was != nil {
			d.changes = append(d.changes, DiffService(*was, *s)...)
			continue
		}
		d.add(Change{Service: s.Name, Kind: Added, New: *s, NewProcess: s.HasRelease()})
	}
	now := byName(after.Services)
	for i := range before.Services {
		if s := &before.Services[i]; now[s.Name] == nil {
			d.add(Change{Service: s.Name, Kind: Removed, Old: *s})
		}
	}
	d.removals(before, after)
	return d.changes
}

// DiffService lists the fields that differ between two versions of one service, in the
// order in which they are declared.
func DiffService(before, after Service) []Change {
	d := differ{service: after.Name, before: before, after: after}
	d.fields("", reflect.ValueOf(before), reflect.ValueOf(after))
	return d.changes
}

func byName(list []Service) map[string]*Service {
	out := make(map[string]*Service, len(list))
	for i := range list {
		out[list[i].Name] = &list[i]
	}
	return out
}

type differ struct {
	service       string
	before, after Service
	changes       []Change
}

func (d *differ) add(c Change) { d.changes = append(d.changes, c) }

func (d *differ) removals(before, after *Manifest) {
	for _, r := range after.Removed {
		if !before.IsRemoved(r.Name) {
			d.add(Change{Service: r.Name, Field: "removed", Kind: Added, New: r})
		}
	}
	for _, r := range before.Removed {
		if !after.IsRemoved(r.Name) {
			d.add(Change{Service: r.Name, Field: "removed", Kind: Removed, Old: r})
		}
	}
}

// fields descends into structs, so that a change is named by its smallest field.
func (d *differ) fields(prefix string, before, after reflect.Value) {
	for _, f := range fieldsOf(before.Type()) {
		path := strings.TrimPrefix(prefix+"."+f.name, ".")
		old, now := before.Field(f.index), after.Field(f.index)
		switch {
		case old.Kind() == reflect.Struct:
			d.fields(path, old, now)
		case isBlock(old) && !old.IsNil() && !now.IsNil():
			d.fields(path, old.Elem(), now.Elem())
		case old.Kind() == reflect.Map:
			d.entries(path, old, now)
		default:
			d.leaf(path, old, now)
		}
	}
}

// isBlock: artifact, http, health and hold, but not a *bool or *time.Time.
func isBlock(v reflect.Value) bool {
	return v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct && v.Type() != reflect.TypeFor[*time.Time]()
}

func (d *differ) entries(path string, before, after reflect.Value) {
	keys := map[string]bool{}
	for _, m := range []reflect.Value{before, after} {
		for _, k := range m.MapKeys() {
			keys[k.String()] = true
		}
	}
	for _, k := range sortedKeys(keys) {
		key := reflect.ValueOf(k)
		d.compare(path+"."+k, present(before.MapIndex(key)), present(after.MapIndex(key)))
	}
}

// present is the value of a map's entry, or nil: an empty entry is there.
func present(v reflect.Value) any {
	if !v.IsValid() {
		return nil
	}
	return v.Interface()
}

func (d *differ) leaf(path string, before, after reflect.Value) {
	d.compare(path, written(before), written(after))
}

// written is the value, or nil for one that was left out.
func written(v reflect.Value) any {
	switch {
	case v.IsZero(), v.Kind() == reflect.Slice && v.Len() == 0:
		return nil
	case v.Kind() == reflect.Pointer:
		return normalTime(v.Elem().Interface())
	}
	return normalTime(v.Interface())
}

func (d *differ) compare(path string, old, now any) {
	if reflect.DeepEqual(old, now) {
		return
	}
	c := Change{Service: d.service, Field: path, Kind: Changed, Old: old, New: now}
	switch {
	case old == nil:
		c.Kind = Added
	case now == nil:
		c.Kind = Removed
	}
	c.NewProcess = d.service != "" && d.inRelease(path)
	d.add(c)
}

// inRelease reports whether the field's change makes another revision.
func (d *differ) inRelease(path string) bool {
	first, _, _ := strings.Cut(path, ".")
	switch first {
	case "exec", "env", "envFile", "systemd", "hardening", "resources", "stateDirectory":
		return true
	case "artifact":
		return path != "artifact.type"
	case "health":
		return d.before.writtenHealthType() != d.after.writtenHealthType() && slices.Contains(
			[]string{"health", "health.tcp", "health.exec", "health.notify"}, path)
	}
	return path == "http" || path == "http.internalPort" || path == "deploy.attempt"
}
