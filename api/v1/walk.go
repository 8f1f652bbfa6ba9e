package v1

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// walker puts a parsed document into Go values and collects every problem on the way
// instead of stopping at the first: wrong types, unknown, wrong-case and duplicate keys.
// encoding/json would match keys without regard to case, take the last of two equal keys
// and name no path.
type walker struct {
	problems field.ErrorList
	// meant holds the paths of fields that a misspelt key probably stands for: that they
	// are missing is no second problem.
	meant map[string]bool
	// structs remembers the fields of each type.
	structs map[reflect.Type][]structField
}

type structField struct {
	name  string
	index int
}

func newWalker() *walker {
	return &walker{meant: map[string]bool{}, structs: map[reflect.Type][]structField{}}
}

func (w *walker) add(e *field.Error) {
	if len(w.problems) < maxProblems {
		w.problems = append(w.problems, e)
	}
}

// full: the list has no more room, so going on would only cost time.
func (w *walker) full() bool { return len(w.problems) >= maxProblems }

// decode fills v from n. Null and absent leave it as it is.
func (w *walker) decode(n *node, v reflect.Value, p *field.Path) {
	if n.kind == nodeNull || w.full() || w.special(n, v, p) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		w.decode(n, v.Elem(), p)
	case reflect.Struct:
		w.object(n, v, p)
	case reflect.Map:
		w.table(n, v, p)
	case reflect.Slice:
		w.list(n, v, p)
	case reflect.String:
		if w.isText(n, p) {
			v.SetString(n.text)
		}
	case reflect.Bool:
		if w.is(n, nodeBool, "true or false", p) {
			v.SetBool(strings.EqualFold(n.text, "true"))
		}
	case reflect.Int, reflect.Int64:
		w.integer(n, v, p)
	}
}

// special decodes the types that people write in several forms.
func (w *walker) special(n *node, v reflect.Value, p *field.Path) bool {
	switch target := v.Addr().Interface().(type) {
	case *Duration:
		scalar(w, n, p, target, "a duration such as 10s", parseDuration)
	case *Toggle:
		scalar(w, n, p, target, "true, false or a word", parseToggle)
	case *time.Time:
		if n.kind == nodeNumber {
			w.wrongType(n, "a time such as 2026-11-23T10:00:00Z", p)
			return true
		}
		scalar(w, n, p, target, "a time such as 2026-11-23T10:00:00Z", parseTime)
	case *Command:
		if n.kind != nodeString {
			return false
		}
		words, err := SplitWords(n.text)
		if err != nil {
			w.add(problem(p, "%v: %s", err, quote(n.text)))
		}
		*target = words
	default:
		return false
	}
	return true
}

func scalar[T any](w *walker, n *node, p *field.Path, target *T, want string, parse func(string) (T, error)) {
	if n.kind == nodeList || n.kind == nodeObject {
		w.wrongType(n, want, p)
		return
	}
	v, err := parse(n.text)
	if err != nil {
		w.add(problem(p, "%v", err))
		return
	}
	*target = v
}

// parseTime reads RFC 3339 and gives UTC. Years outside of 1 to 9999 cannot be written.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return time.Time{}, fmt.Errorf("%s is not a time; write it as 2026-11-23T10:00:00Z", quote(s))
	}
	return t.UTC(), nil
}

func (w *walker) wrongType(n *node, want string, p *field.Path) {
	got := string(n.kind)
	if n.kind == nodeNumber || n.kind == nodeBool || n.kind == nodeString {
		got += " (" + quote(n.text) + ")"
	}
	e := problem(p, "expected %s, got %s", want, got)
	e.Type = field.ErrorTypeTypeInvalid
	w.add(e)
}

func (w *walker) is(n *node, kind nodeKind, want string, p *field.Path) bool {
	if n.kind != kind {
		w.wrongType(n, want, p)
	}
	return n.kind == kind
}

// isText accepts a string, and an unquoted scalar of YAML as the text that was written:
// PORT: 8080 and AREA: no mean what they say.
func (w *walker) isText(n *node, p *field.Path) bool {
	if n.plain && n.kind != nodeNull {
		return true
	}
	return w.is(n, nodeString, "a string", p)
}

func (w *walker) integer(n *node, v reflect.Value, p *field.Path) {
	if !w.is(n, nodeNumber, "a number", p) {
		return
	}
	i, err := strconv.ParseInt(n.text, 10, v.Type().Bits())
	if err != nil || strconv.FormatInt(i, 10) != n.text {
		w.wrongType(n, "a whole number", p)
		return
	}
	v.SetInt(i)
}

func (w *walker) tooMany(n int, p *field.Path) bool {
	if n > maxItems {
		w.add(problem(p, "has %d elements; at most %d are read", n, maxItems))
	}
	return n > maxItems
}

func (w *walker) list(n *node, v reflect.Value, p *field.Path) {
	if !w.is(n, nodeList, "a list", p) || len(n.items) == 0 {
		return
	}
	if w.tooMany(len(n.items), p) {
		return
	}
	if v.Type().Elem().Kind() == reflect.Interface {
		return // opaque: read by later programs
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i := range n.items {
		at := p.Index(i)
		if n.items[i].kind == nodeNull {
			w.wrongType(&n.items[i], "a value", at)
			continue
		}
		w.decode(&n.items[i], out.Index(i), at)
	}
	v.Set(out)
}

// table decodes a map of strings: env.
func (w *walker) table(n *node, v reflect.Value, p *field.Path) {
	if !w.is(n, nodeObject, "an object", p) || len(n.members) == 0 {
		return
	}
	if w.tooMany(len(n.members), p) {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.members)))
	for i := range n.members {
		m := &n.members[i]
		key, at := reflect.ValueOf(m.key), p.Key(shorten(m.key))
		switch {
		case v.MapIndex(key).IsValid():
			w.add(duplicateKey(at))
		case m.value.kind == nodeNull:
			w.wrongType(&m.value, `a string ("" for an empty one)`, at)
		case w.isText(&m.value, at):
			v.SetMapIndex(key, reflect.ValueOf(m.value.text))
		}
	}
}

func (w *walker) object(n *node, v reflect.Value, p *field.Path) {
	if !w.is(n, nodeObject, "an object", p) {
		return
	}
	fields := w.fieldsOf(v.Type())
	seen := make(map[string]bool, len(n.members))
	for i := range n.members {
		if w.full() {
			return
		}
		m := &n.members[i]
		at := p.Child(shorten(m.key))
		f := findField(fields, m.key)
		switch {
		case seen[m.key]:
			w.add(duplicateKey(at))
		case f == nil:
			w.unknown(m.key, fields, p)
		default:
			w.decode(&m.value, v.Field(f.index), at)
		}
		seen[m.key] = true
	}
}

func (w *walker) unknown(key string, fields []structField, p *field.Path) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	near := nearest(key, names)
	w.add(unknownField(p.Child(shorten(key)), near))
	if near != "" {
		w.meant[p.Child(near).String()] = true
	}
}

func duplicateKey(p *field.Path) *field.Error {
	e := problem(p, "written twice; keep one")
	e.Type = field.ErrorTypeDuplicate
	return e
}

func findField(fields []structField, name string) *structField {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

func (w *walker) fieldsOf(t reflect.Type) []structField {
	if known, ok := w.structs[t]; ok {
		return known
	}
	w.structs[t] = fieldsOf(t)
	return w.structs[t]
}

// fieldsOf lists the JSON names of a struct's fields in order.
func fieldsOf(t reflect.Type) []structField {
	out := make([]structField, 0, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out = append(out, structField{name: name, index: i})
	}
	return out
}

// shorten keeps a hostile key from filling the terminal, or from obeying it.
func shorten(key string) string {
	const most = 64
	if badText(key, most) == "" {
		return key
	}
	return quote(key)
}
