package providers

import (
	"errors"
	"time"
)

// Fault is an error that status can show: one CamelCase reason and one plain sentence
// with the way out.
type Fault struct {
	// Reason is stable and for programs: SecretsMissing, ClosureMissing, PortTaken, ….
	Reason string
	// Message is for people, with the way out.
	Message string
	// Own: the release's own fault (it exits, it never gets healthy). All else is the
	// world's: it never counts against a release.
	Own bool
	// Err is the cause, often a sentinel. May be nil.
	Err error
}

// Error is the sentence, with the cause when there is one that says more than a sentinel.
func (f *Fault) Error() string {
	for _, bare := range []error{nil, ErrNotFound, ErrNotModified, ErrConflict, ErrUnavailable} {
		if f.Err == bare { //nolint:errorlint // only the bare sentinel says nothing more
			return f.Message
		}
	}
	return f.Message + ": " + f.Err.Error()
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// ErrorReason makes Fault a reasoned error.
func (f *Fault) ErrorReason() string { return f.Reason }

// ReasonOf finds the CamelCase reason in an error's chain; Unavailable, Conflict and
// NotFound for bare sentinels; Error for anything else.
func ReasonOf(err error) string {
	var r interface{ ErrorReason() string }
	switch {
	case err == nil:
		return ""
	case errors.As(err, &r):
		return r.ErrorReason()
	case errors.Is(err, ErrUnavailable):
		return "Unavailable"
	case errors.Is(err, ErrConflict):
		return "Conflict"
	case errors.Is(err, ErrNotFound):
		return "NotFound"
	}
	return "Error"
}

// RetryAfterOf is how long the other side asked us to wait; 0 when it did not.
func RetryAfterOf(err error) time.Duration {
	var r interface{ RetryAfter() time.Duration }
	if errors.As(err, &r) {
		return r.RetryAfter()
	}
	return 0
}

// SecretBytes is the content of a secrets file. It never prints.
type SecretBytes []byte

const redacted = "[redacted]"

// String keeps the bytes out of logs.
func (SecretBytes) String() string { return redacted }

// GoString keeps the bytes out of %#v.
func (SecretBytes) GoString() string { return redacted }

// MarshalJSON keeps the bytes out of JSON.
func (SecretBytes) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
