package objectstore

import (
	"fmt"
	"time"

	"deployer/providers"
)

// Reasons of an *Error: stable, one word, for status and alerts.
const (
	// StoreUnreachable: no answer. DNS, no route, refused, TLS, a proxy.
	StoreUnreachable = "StoreUnreachable"
	// Slow: connected, but no progress for longer than a try may take, or "slow down".
	Slow = "Slow"
	// ServerError: the store answered that it is ill (5xx).
	ServerError = "ServerError"
	// BadAnswer: an answer that no S3 gives: HTML, a redirect, a body cut short.
	BadAnswer = "BadAnswer"
	// AccessDenied: known, and not allowed. On Amazon's S3 also a missing key, when the
	// reader may not list the bucket.
	AccessDenied = "AccessDenied"
	// CredentialsMissing: none found.
	CredentialsMissing = "CredentialsMissing"
	// CredentialsInvalid: unknown to the store, or the signature does not match.
	CredentialsInvalid = "CredentialsInvalid"
	// CredentialsExpired: they were good once.
	CredentialsExpired = "CredentialsExpired"
	// ClockSkewed: the store refuses signatures made by a clock that is so wrong.
	ClockSkewed = "ClockSkewed"
	// NoSuchBucket: the bucket, or the directory of a file store, is not there.
	NoSuchBucket = "NoSuchBucket"
	// WrongRegion: the bucket lives in another region.
	WrongRegion = "WrongRegion"
	// NotSupported: this store cannot do what was asked (501).
	NotSupported = "NotSupported"
	// TooLarge: longer than the caller allows.
	TooLarge = "TooLarge"
	// KeyClash: a key would have to be a file and a directory at once.
	KeyClash = "KeyClash"
	// DiskFull: no space for a file store.
	DiskFull = "DiskFull"
	// Cancelled: the caller gave up first.
	Cancelled = "Cancelled"
)

// Error says why a store gave no certain answer. Every one of them is
// providers.ErrUnavailable: change nothing that depends on the answer.
//
// After an unclear Put the object may have been written all the same: read again before
// deciding anything.
type Error struct {
	// Reason is one of the constants above.
	Reason string
	// Op is the gerund: "reading", "writing", "listing", "deleting".
	Op string
	// Key is the object, or the prefix of a List; may be empty.
	Key string
	// Store is the store's URL, without credentials.
	Store string
	// Advice is the sentence: what is wrong and the way out.
	Advice string
	// Wait is what the store asked for with Retry-After; 0 when it did not.
	Wait time.Duration
	// Err is the cause as the SDK or the system told it; for logs, not part of the text.
	Err error
}

// Error is one plain sentence.
func (e *Error) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("%s %s: %s", e.Op, e.Store, e.Advice)
	}
	return fmt.Sprintf("%s %s in %s: %s", e.Op, e.Key, e.Store, e.Advice)
}

// Unwrap makes the error ErrUnavailable and keeps its cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{providers.ErrUnavailable}
	}
	return []error{providers.ErrUnavailable, e.Err}
}

// ErrorReason is the one word for status.
func (e *Error) ErrorReason() string { return e.Reason }

// RetryAfter is how long the store asked its callers to stay away; 0 when it did not.
func (e *Error) RetryAfter() time.Duration { return e.Wait }
