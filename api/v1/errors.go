package v1

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Origins of field errors that programs ask for.
const (
	originUnknownField = "unknownField"
	originVersion      = "unknownVersion"
)

// maxProblems bounds the list: who writes more mistakes than this sees the first ones.
const maxProblems = 1000

// ErrorList is every problem of a document, in document order. Get it back with
// errors.As; each element is a *field.Error with the path of its field.
type ErrorList field.ErrorList

// Error is `path: what is wrong` for one problem, and for more a count and one a line.
func (l ErrorList) Error() string {
	if len(l) == 1 {
		return Describe(l[0])
	}
	const shown = 100
	var b strings.Builder
	fmt.Fprintf(&b, "%d problems:", len(l))
	for i, e := range l {
		if i == shown {
			fmt.Fprintf(&b, "\n  … and %d more", len(l)-shown)
			break
		}
		b.WriteString("\n  " + Describe(e))
	}
	return b.String()
}

// Unwrap lets errors.Is and errors.As look at each problem.
func (l ErrorList) Unwrap() []error {
	out := make([]error, len(l))
	for i, e := range l {
		out[i] = e
	}
	return out
}

// Describe is one problem as people read it: `services[1].http.domain: write it in lower case`.
func Describe(e *field.Error) string {
	if e.Field == "" || e.Field == "<nil>" {
		return e.Detail
	}
	return e.Field + ": " + e.Detail
}

// IsUnknownField reports whether the document has a field that this program does not
// know. On a host that means: a newer program wrote it, keep the last manifest.
func IsUnknownField(err error) bool { return hasOrigin(err, originUnknownField) }

// NeedsNewer reports whether a newer program is needed to read the document: it has an
// unknown field or an unknown version.
func NeedsNewer(err error) bool {
	return IsUnknownField(err) || hasOrigin(err, originVersion)
}

func hasOrigin(err error, origin string) bool {
	var list ErrorList
	if !errors.As(err, &list) {
		return false
	}
	for _, e := range list {
		if e.Origin == origin {
			return true
		}
	}
	return false
}

// asError is nil for an empty list: a nil error, not an empty one.
func asError(list field.ErrorList) error {
	if len(list) == 0 {
		return nil
	}
	return ErrorList(list)
}

// problem is a field error whose detail is the whole sentence.
func problem(p *field.Path, format string, args ...any) *field.Error {
	return &field.Error{Type: field.ErrorTypeInvalid, Field: p.String(), Detail: fmt.Sprintf(format, args...)}
}

// missing is a field error for something that has to be written.
func missing(p *field.Path, hint string) *field.Error {
	return &field.Error{Type: field.ErrorTypeRequired, Field: p.String(), Detail: "required; " + hint}
}

// unknownField names the nearest known field, when there is one near.
func unknownField(p *field.Path, near string) *field.Error {
	e := problem(p, "unknown field")
	if near != "" {
		e.Detail += "; did you mean " + near + "?"
	}
	e.Origin = originUnknownField
	return e
}
