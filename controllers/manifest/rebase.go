package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	v1 "deployer/api/v1"
)

// RebaseOptions say what is brought onto a newer manifest.
type RebaseOptions struct {
	// Base is what a person began with, and Mine what they made of it. Services that Mine
	// does not list are to be removed.
	Base, Mine *v1.Manifest
	By         string
}

// ConflictError is an edit of something that somebody else changed in another way.
type ConflictError struct {
	// Paths are what both changed, such as "web.env.AREA", or "web" as a whole.
	Paths []string
}

// Error names all of it.
func (e *ConflictError) Error() string {
	return "somebody else changed " + strings.Join(e.Paths, ", ") + " in another way while you edited, so nothing was written; " +
		"`deploy-manifest edit` shows what is there now"
}

// ErrorReason makes it a reasoned error.
func (*ConflictError) ErrorReason() string { return "EditConflict" }

// Rebase does to a manifest what was done to Base, field by field: it may be newer than
// Base, and what others did meanwhile stays. The same field changed in two ways is a
// ConflictError, and then the manifest is of no use.
func Rebase(m *v1.Manifest, o RebaseOptions) error {
	r := rebase{m: m, o: o}
	for _, mine := range o.Mine.Services {
		r.put(mine)
	}
	for _, base := range o.Base.Services {
		if o.Mine.Service(base.Name) == nil {
			r.remove(base)
		}
	}
	for _, gone := range o.Mine.Removed {
		if !o.Base.IsRemoved(gone.Name) {
			r.dismiss(gone.Name)
		}
	}
	expires := r.merge("expires", o.Base.Expires, o.Mine.Expires, m.Expires)
	switch {
	case r.err != nil:
		return r.err
	case len(r.conflicts) > 0:
		return &ConflictError{Paths: r.conflicts}
	}
	m.Expires = nil
	if expires != nil {
		return convert(expires, &m.Expires)
	}
	return nil
}

type rebase struct {
	m         *v1.Manifest
	o         RebaseOptions
	conflicts []string
	err       error
}

func (r *rebase) put(mine v1.Service) {
	base, now := r.o.Base.Service(mine.Name), r.m.Service(mine.Name)
	switch {
	case base != nil && same(base, &mine):
	case base == nil && now == nil:
		Put(r.m, mine)
	case now == nil, base == nil && !same(now, &mine):
		r.conflicts = append(r.conflicts, mine.Name)
	case base != nil:
		merged := r.merge(mine.Name, base, mine, now)
		var s v1.Service
		if err := convert(merged, &s); err != nil {
			r.fail(err)
			return
		}
		*now = s
	}
}

func (r *rebase) remove(base v1.Service) {
	if now := r.m.Service(base.Name); now != nil && !same(&base, now) {
		r.conflicts = append(r.conflicts, base.Name)
		return
	}
	r.dismiss(base.Name)
}

func (r *rebase) dismiss(name string) {
	if err := Remove(r.m, name, r.o.By); err != nil {
		r.fail(err)
	}
}

func (r *rebase) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func same(a, b *v1.Service) bool { return len(v1.DiffService(*a, *b)) == 0 }

// merge is the three-way merge of JSON values; nil is nothing.
func (r *rebase) merge(path string, base, mine, now any) any {
	values := make([]any, 3)
	for i, v := range []any{base, mine, now} {
		if err := convert(v, &values[i]); err != nil {
			r.fail(err)
		}
	}
	return r.mergeValues(path, values[0], values[1], values[2])
}

func (r *rebase) mergeValues(path string, base, mine, now any) any {
	switch {
	case reflect.DeepEqual(mine, base), reflect.DeepEqual(mine, now):
		return now
	case reflect.DeepEqual(now, base):
		return mine
	}
	mineFields, isBlock := mine.(map[string]any)
	nowFields, areBlocks := now.(map[string]any)
	if !isBlock || !areBlocks {
		r.conflicts = append(r.conflicts, path)
		return now
	}
	baseFields, _ := base.(map[string]any)
	keys := map[string]bool{}
	for _, fields := range []map[string]any{mineFields, nowFields} {
		for key := range fields {
			keys[key] = true
		}
	}
	out := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if v := r.mergeValues(path+"."+key, baseFields[key], mineFields[key], nowFields[key]); v != nil {
			out[key] = v
		}
	}
	return out
}

// convert goes through JSON, which is what the manifest is.
func convert(from, to any) error {
	data, err := json.Marshal(from)
	if err != nil {
		return fmt.Errorf("merging: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return fmt.Errorf("merging: %w", err)
	}
	return nil
}
