package objectstore

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrInvalidKey says that the key is none that every store can hold. It is the caller's
// mistake, not the store's answer, so it is none of the four sentinels.
var ErrInvalidKey = errors.New("invalid key")

// reserved is where a file store keeps its lock and its unfinished files.
const reserved = ".objectstore"

// checkKey accepts what S3 and a directory can both hold. One rule for both, so that a
// store can be copied into the other kind, and no key can leave a directory.
func checkKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: it is empty", ErrInvalidKey)
	case len(key) > 1024:
		return fmt.Errorf("%w: it is longer than 1024 bytes", ErrInvalidKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: %q is not UTF-8", ErrInvalidKey, key)
	case strings.ContainsFunc(key, unicode.IsControl):
		return fmt.Errorf("%w: %q has a control character", ErrInvalidKey, key)
	}
	first, _, _ := strings.Cut(key, "/")
	if first == reserved {
		return fmt.Errorf("%w: %s/ is kept for the store itself", ErrInvalidKey, reserved)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment == "." || segment == ".." || len(segment) > 255 {
			return fmt.Errorf("%w: %q has a segment that is empty, a dot, two dots or longer than 255 bytes", ErrInvalidKey, key)
		}
	}
	return nil
}

// checkPrefix is checkKey for List: a prefix may be empty and may end in a slash.
func checkPrefix(prefix string) error {
	trimmed := strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return nil
	}
	return checkKey(trimmed)
}
