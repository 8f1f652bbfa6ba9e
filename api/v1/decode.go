package v1

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// document is the object in the store.
type document struct {
	// Signatures over the manifest; read and checked by a later version.
	Signatures []any `json:"signatures"`
	// Manifest is what people see.
	Manifest *Manifest `json:"manifest"`
}

// Decode reads and validates the object of the store: {"signatures":[],"manifest":{…}},
// or a bare {version, services} document as the system before this one wrote it, which
// has no generation: 0. All problems come back at once as an ErrorList; text that is
// neither JSON nor YAML, too long or too deep as a plain error. There is no manifest
// beside an error: who has one keeps it.
func Decode(data []byte) (*Manifest, error) {
	root, err := parse(data)
	if err != nil {
		return nil, err
	}
	return decodeManifest(root)
}

// DecodeManifest reads and validates what people write for apply: the inner manifest, as
// show prints it, or a whole object of the store.
func DecodeManifest(data []byte) (*Manifest, error) { return Decode(data) }

func decodeManifest(root *node) (*Manifest, error) {
	var m Manifest
	w := newWalker()
	if !w.is(root, nodeObject, "an object", nil) {
		return nil, ErrorList(w.problems)
	}
	inner := root
	if wrapped := root.get("manifest"); wrapped != nil {
		inner = wrapped
		w.envelope(root, &m)
	} else {
		w.decode(root, reflect.ValueOf(&m).Elem(), nil)
	}
	if inner.kind != nodeObject {
		return nil, ErrorList(w.problems)
	}
	if services := inner.get("services"); services == nil || services.kind == nodeNull {
		w.add(missing(field.NewPath("services"), "write [] for none"))
	}
	if m.Services == nil {
		m.Services = []Service{}
	}
	if err := asError(w.merge(m.Validate())); err != nil {
		return nil, err
	}
	return &m, nil
}

// envelope decodes the wrapped form, with paths that start inside the manifest.
func (w *walker) envelope(root *node, m *Manifest) {
	fields := w.fieldsOf(reflect.TypeFor[document]())
	seen := map[string]bool{}
	for i := range root.members {
		if w.full() {
			return
		}
		member := &root.members[i]
		at := field.NewPath(shorten(member.key))
		switch {
		case seen[member.key]:
			w.add(duplicateKey(at))
		case member.key == "manifest" && member.value.kind != nodeObject:
			w.wrongType(&member.value, "an object", at)
		case member.key == "manifest":
			w.decode(&member.value, reflect.ValueOf(m).Elem(), nil)
		case member.key == "signatures":
			var opaque []any
			w.decode(&member.value, reflect.ValueOf(&opaque).Elem(), at)
		default:
			w.unknown(member.key, fields, nil)
		}
		seen[member.key] = true
	}
}

// DecodeService reads and validates one service, as people write it for add-service.
func DecodeService(data []byte) (*Service, error) {
	root, err := parse(data)
	if err != nil {
		return nil, err
	}
	var s Service
	w := newWalker()
	if !w.is(root, nodeObject, "an object", nil) {
		return nil, ErrorList(w.problems)
	}
	w.decode(root, reflect.ValueOf(&s).Elem(), nil)
	if err := asError(w.merge(s.Validate(nil))); err != nil {
		return nil, err
	}
	return &s, nil
}

// merge adds what validation found, but for what follows from a problem that is already
// listed: a port that is a string is not also missing.
func (w *walker) merge(found field.ErrorList) field.ErrorList {
	decoding := w.problems
	for _, e := range found {
		if !w.full() && !w.covered(e.Field, decoding) {
			w.add(e)
		}
	}
	slices.SortStableFunc(w.problems, func(a, b *field.Error) int {
		return cmp.Compare(servicePosition(a.Field), servicePosition(b.Field))
	})
	return w.problems
}

// servicePosition brings the problems of one service together: the head of the document
// first, then each service, then the rest.
func servicePosition(path string) int {
	rest, ok := strings.CutPrefix(path, "services[")
	if !ok {
		if strings.HasPrefix(path, "removed") {
			return math.MaxInt
		}
		return -1
	}
	digits, _, _ := strings.Cut(rest, "]")
	position, err := strconv.Atoi(digits)
	if err != nil {
		return -1
	}
	return position
}

func (w *walker) covered(path string, decoding field.ErrorList) bool {
	if w.meant[path] {
		return true
	}
	for _, e := range decoding {
		if e.Origin == originUnknownField {
			continue
		}
		if isBelow(path, e.Field) || isBelow(e.Field, path) {
			return true
		}
	}
	return false
}

// isBelow reports whether path is parent or a field in it.
func isBelow(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Encode is the object to store: validated, indented, always the same for the same
// manifest, with a newline at the end. An error means that no host would read it.
func Encode(m *Manifest) ([]byte, error) {
	if err := asError(m.Validate()); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(document{Signatures: []any{}, Manifest: m.normalized()}); err != nil {
		return nil, fmt.Errorf("encoding the manifest: %w", err)
	}
	if out.Len() > MaxDocument {
		return nil, fmt.Errorf("encoding the manifest: it would have %d bytes; hosts read at most %d", out.Len(), MaxDocument)
	}
	return out.Bytes(), nil
}

// normalized is a copy with times in UTC, as Decode gives them, and [] for no services.
func (m *Manifest) normalized() *Manifest {
	out := *m
	out.UpdatedAt = m.UpdatedAt.UTC()
	out.Expires = utc(m.Expires)
	out.Services = make([]Service, len(m.Services))
	copy(out.Services, m.Services)
	for i := range out.Services {
		if h := out.Services[i].Hold; h != nil {
			hold := *h
			hold.Until = utc(h.Until)
			out.Services[i].Hold = &hold
		}
	}
	return &out
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
