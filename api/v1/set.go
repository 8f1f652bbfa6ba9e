package v1

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// SetField changes one field of a service from "FIELD=VALUE", as `set SERVICE FIELD=VALUE`
// takes it. FIELD is the path in JSON with dots (http.path, env.PORT). VALUE is plain
// text, "a,b" or JSON for lists, JSON for whole blocks; nothing clears the field, and ""
// (two quotes) is an empty text. It checks the form only: call Validate afterwards.
// Nothing that the service shares with a copy is changed in place.
func SetField(s *Service, assignment string) error {
	path, value, ok := strings.Cut(assignment, "=")
	if !ok || path == "" {
		return fmt.Errorf("%s is not FIELD=VALUE, such as http.path=/api or env.PORT=8080", quote(assignment))
	}
	if path == "name" {
		return errors.New("name: a service keeps its name; add one with the new name, then remove this one")
	}
	edited := s.Clone()
	w := newWalker()
	w.assign(reflect.ValueOf(&edited).Elem(), target{rest: path, value: value})
	if err := asError(w.problems); err != nil {
		return err
	}
	edited.dropEmptyBlocks()
	*s = edited
	return nil
}

// SetFields is SetField for several assignments, all of them or none. The same field twice
// is refused: one of the two would be lost without a word.
func SetFields(s *Service, assignments []string) error {
	edited := *s
	seen := map[string]bool{}
	for _, assignment := range assignments {
		path, _, _ := strings.Cut(assignment, "=")
		if seen[path] {
			return fmt.Errorf("%s: is set twice; say one value", path)
		}
		seen[path] = true
		if err := SetField(&edited, assignment); err != nil {
			return err
		}
	}
	*s = edited
	return nil
}

// target is what is left of the path, where that is, and the value.
type target struct {
	at    *field.Path
	rest  string
	value string
}

func (t target) clears() bool { return t.value == "" }

// assign follows the path through structs to a field or to a map's entry.
func (w *walker) assign(v reflect.Value, t target) {
	if t.rest == "" {
		w.set(v, t)
		return
	}
	switch {
	case isBlock(v):
		if v.IsNil() {
			if t.clears() {
				w.assign(reflect.New(v.Type().Elem()).Elem(), t) // names a wrong path, too
				return
			}
			v.Set(reflect.New(v.Type().Elem()))
		}
		w.assign(v.Elem(), t)
	case v.Kind() == reflect.Map:
		w.setEntry(v, t)
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		name, rest, _ := strings.Cut(t.rest, ".")
		fields := w.fieldsOf(v.Type())
		f := findField(fields, name)
		if f == nil {
			w.unknown(name, fields, t.at)
			w.fullPath(t)
			return
		}
		w.assign(v.Field(f.index), target{at: t.at.Child(f.name), rest: rest, value: t.value})
	default:
		w.add(problem(t.at, "has no fields of its own; %s is too much", quote("."+t.rest)))
	}
}

// fullPath turns "did you mean internalPort?" into "did you mean http.internalPort?".
func (w *walker) fullPath(t target) {
	e := w.problems[len(w.problems)-1]
	if t.at != nil {
		e.Detail = strings.Replace(e.Detail, "did you mean ", "did you mean "+t.at.String()+".", 1)
	}
}

func (w *walker) setEntry(v reflect.Value, t target) {
	entries := maps.Clone(v.Interface().(map[string]string))
	if entries == nil {
		entries = map[string]string{}
	}
	if t.clears() {
		delete(entries, t.rest)
	} else {
		entries[t.rest] = plainText(t.value)
	}
	if len(entries) == 0 {
		entries = nil
	}
	v.Set(reflect.ValueOf(entries))
}

// plainText: two quotes stand for an empty text, for nothing at all clears.
func plainText(value string) string {
	if value == `""` {
		return ""
	}
	return value
}

func (w *walker) set(v reflect.Value, t target) {
	v.SetZero()
	if t.clears() {
		return
	}
	n, err := valueNode(v, t.value)
	if err != nil {
		w.add(problem(t.at, "%v", err))
		return
	}
	w.decode(n, v, t.at)
}

// valueNode reads the value as the field's type wants it.
func valueNode(v reflect.Value, value string) (*node, error) {
	isList := v.Kind() == reflect.Slice
	_, isCommand := v.Interface().(Command)
	switch {
	case isList && strings.HasPrefix(value, "["), isBlock(v), v.Kind() == reflect.Map, isStructBlock(v):
		return jsonValue(value)
	case isList && !isCommand:
		n := &node{kind: nodeList}
		for item := range strings.SplitSeq(value, ",") {
			n.items = append(n.items, node{kind: nodeString, text: strings.TrimSpace(item)})
		}
		return n, nil
	}
	n := &node{kind: nodeString, text: plainText(value), plain: true}
	switch {
	case isNumber(v):
		n.kind = nodeNumber
		i, err := strconv.ParseInt(n.text, 10, v.Type().Bits())
		if err != nil || strconv.FormatInt(i, 10) != n.text {
			return nil, fmt.Errorf("%s is not a whole number", quote(value))
		}
	case value == "true" || value == "false":
		n.kind = nodeBool
	}
	if isCommand || v.Kind() == reflect.String {
		n.kind = nodeString
	}
	return n, nil
}

func isStructBlock(v reflect.Value) bool {
	return v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]()
}

// isNumber: a Duration is an int64, too, but people write it as text.
func isNumber(v reflect.Value) bool {
	_, isDuration := v.Interface().(Duration)
	return !isDuration && slices.Contains([]reflect.Kind{reflect.Int, reflect.Int64}, v.Kind())
}

func jsonValue(value string) (*node, error) {
	if !json.Valid([]byte(value)) {
		return nil, fmt.Errorf("%s is not JSON", quote(value))
	}
	return parseJSON([]byte(value))
}

// dropEmptyBlocks: clearing the last field of a block clears the block.
func (s *Service) dropEmptyBlocks() {
	if s.Health != nil && reflect.ValueOf(*s.Health).IsZero() {
		s.Health = nil
	}
	if s.Artifact != nil && *s.Artifact == (Artifact{}) {
		s.Artifact = nil
	}
	if s.Hold != nil && *s.Hold == (Hold{}) {
		s.Hold = nil
	}
	if s.HTTP != nil && reflect.ValueOf(*s.HTTP).IsZero() {
		s.HTTP = nil
	}
}
