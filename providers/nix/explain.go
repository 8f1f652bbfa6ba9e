package nix

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"deployer/providers"
)

// Reasons of the faults of this package. The store's own (AccessDenied,
// StoreUnreachable, …) pass through.
const (
	// ClosureMissing: the cache does not have a path of the closure.
	ClosureMissing = "ClosureMissing"
	// SignatureMissing: a path is in the cache and nobody signed it.
	SignatureMissing = "SignatureMissing"
	// SignatureInvalid: a path is signed, but by no trusted key, or the signature is of
	// something else.
	SignatureInvalid = "SignatureInvalid"
	// NarCorrupt: what the cache gives is not what its narinfo says, or the narinfo itself
	// is damaged.
	NarCorrupt = "NarCorrupt"
	// DiskFull: the closure does not fit.
	DiskFull = "DiskFull"
	// NixUnavailable: no Nix, or its database does not answer.
	NixUnavailable = "NixUnavailable"
	// NotTrustedUser: Nix dropped our settings, so signatures were not checked as we ask.
	NotTrustedUser = "NotTrustedUser"
	// PullTimeout: the pull took too long; what came so far is kept.
	PullTimeout = "PullTimeout"
	// PullFailed: Nix failed in a way that this package does not know.
	PullFailed = "PullFailed"
	// ClosureDamaged: Nix says all is well, and the files are still not there.
	ClosureDamaged = "ClosureDamaged"
)

// trustAdvice is the way out of a signature that nobody here trusts.
const trustAdvice = "add the key to trustedPublicKeys in /etc/biz-deployer/config.yaml, or push it again with a key that is there"

// texts are what Nix says, in the order in which they are looked for: the cause stands
// before what follows from it. Seen with 2.26.3; older and newer ones differ in words that
// are not matched here.
func texts() []struct {
	pattern *regexp.Regexp
	reason  string
	message string
} {
	type row = struct {
		pattern *regexp.Regexp
		reason  string
		message string
	}
	return []row{
		{
			regexp.MustCompile(`not a trusted user|ignoring the (client-specified|user-specified) setting`),
			NotTrustedUser, "nix dropped the deployer's settings, because it ran as a user that nix.conf does not trust; run the daemon as root with the local store",
		},
		{
			regexp.MustCompile(`No space left on device|database or disk is full`),
			DiskFull, "the disk of the nix store is full; free some space, as with nix-collect-garbage",
		},
		{
			regexp.MustCompile(`hash mismatch|bad archive|NAR info file|(?i)decompress|truncated|unexpected end-of-file|corrupt|is incomplete|does not exist in binary cache`),
			NarCorrupt, "the cache holds a damaged copy; delete its narinfo from the store and push it again",
		},
		{
			regexp.MustCompile(`lacks a (valid )?signature|not signed by any of the keys`),
			SignatureInvalid, "a path is signed by none of the trusted keys; " + trustAdvice,
		},
		{
			regexp.MustCompile(`database is (locked|busy)|SQLite database .* is busy|cannot open Nix database|opening (the )?lock file`),
			NixUnavailable, "the nix database does not answer; see whether another nix hangs",
		},
		{
			regexp.MustCompile(`don't know how to build these paths|no substituter that can build it|does not exist and cannot be (created|substituted)|is required, but there is no substituter`),
			ClosureMissing, "a path is in no cache; push it with deploy-push",
		},
	}
}

// explainText finds the reason in what Nix printed; nil when there is none.
func explainText(subject, stderr string, cause error) error {
	for _, row := range texts() {
		if row.pattern.MatchString(stderr) {
			return &providers.Fault{Reason: row.reason, Message: subject + ": " + row.message, Err: detail(stderr, cause)}
		}
	}
	return nil
}

// gatewayURL is an address with its token, which Nix repeats in its errors.
var gatewayURL = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/[^/'" ]*`)

// detail keeps Nix's own words for people who know Nix: its error lines only.
func detail(stderr string, cause error) error {
	var said []string
	for line := range strings.Lines(stderr) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "error:") && len(said) < 3 {
			said = append(said, gatewayURL.ReplaceAllString(line, "the cache"))
		}
	}
	if len(said) == 0 {
		return cause
	}
	return &quoted{text: "nix says: " + strings.Join(said, "; "), cause: cause}
}

// quoted is a cause in other words.
type quoted struct {
	text  string
	cause error
}

func (q *quoted) Error() string { return q.text }
func (q *quoted) Unwrap() error { return q.cause }

// explainQuery is about a question to the database. Whatever it was, the answer is unknown.
func explainQuery(result Result, err error) error {
	var exit *ExitError
	message := "asking the nix database"
	switch {
	case errors.Is(err, ErrNoNix), strings.Contains(result.Stderr, "nix-store: not found"), strings.Contains(result.Stderr, "nix-store: command not found"):
		message = "nix is not installed on this host, or not in its usual places"
	case errors.Is(err, context.DeadlineExceeded):
		message = "the nix database gave no answer in time; see whether another nix hangs"
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &exit):
		err = detail(result.Stderr, err)
	}
	return &providers.Fault{Reason: NixUnavailable, Message: message, Err: unknown(err)}
}

// unknown makes an error one on which nothing may be changed.
func unknown(err error) error { return fmt.Errorf("%w: %w", providers.ErrUnavailable, err) }

// explainCache is why a host would refuse a closure, by what the cache says of it; nil
// when it would not. The first problem in the order of the walk is told, with how many
// more there are.
func explainCache(root string, closure []PathStatus, trusted []string) error {
	var first *providers.Fault
	more := 0
	for _, p := range closure {
		fault := explainPath(p, trusted)
		switch {
		case fault == nil:
		case first == nil:
			first = fault
		default:
			more++
		}
	}
	if first == nil {
		return nil
	}
	if more > 0 {
		first.Message += fmt.Sprintf(" (and %d more paths of %s have trouble: deployerctl doctor %s)", more, root, root)
	}
	return first
}

// meant asks about another path with the same hash: nobody has two, so a name was mistyped.
func meant(other string) string {
	return "the cache has " + filepath.Base(other) + ": is that the one you mean?"
}

func explainPath(p PathStatus, trusted []string) *providers.Fault {
	switch {
	case !p.Found && p.Other != "":
		return &providers.Fault{
			Reason: ClosureMissing, Err: providers.ErrNotFound,
			Message: fmt.Sprintf("%s is in no cache; %s", p.StorePath, meant(p.Other)),
		}
	case !p.Found:
		return &providers.Fault{
			Reason: ClosureMissing, Err: providers.ErrNotFound,
			Message: p.StorePath + " is in no cache: push it with deploy-push",
		}
	case p.Other != "":
		return &providers.Fault{
			Reason: NarCorrupt,
			Message: fmt.Sprintf("the cache's entry for %s is about %s; delete %s from the store and push it again",
				p.StorePath, p.Other, narinfoKey(p.StorePath)),
		}
	case p.Problem != "":
		return &providers.Fault{Reason: NarCorrupt, Message: "the cache's entry for " + p.StorePath + " is damaged, push it again: " + p.Problem}
	case p.Trusted():
		return nil
	case len(p.Signatures) == 0:
		return &providers.Fault{
			Reason:  SignatureMissing,
			Message: p.StorePath + " is not signed; push it again with deploy-push and a key that is in trustedPublicKeys",
		}
	}
	for _, name := range p.Signatures {
		for _, key := range trusted {
			if name == key {
				return &providers.Fault{
					Reason:  SignatureInvalid,
					Message: fmt.Sprintf("the signature of %s claims to be by %s and is not: the entry was altered, or two keys have this name; push it again", p.StorePath, name),
				}
			}
		}
	}
	return &providers.Fault{
		Reason:  SignatureInvalid,
		Message: fmt.Sprintf("%s is signed by none of the trusted keys (only by %s); %s", p.StorePath, strings.Join(p.Signatures, ", "), trustAdvice),
	}
}
