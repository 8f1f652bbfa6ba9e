package nix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nix-community/go-nix/pkg/narinfo"

	"deployer/providers"
)

// maxNarinfo bounds what is read as a narinfo; Nix's own are a few kilobytes.
const maxNarinfo = 1 << 20

// errBadNarinfo: the object is there and is not what it should be.
var errBadNarinfo = errors.New("bad narinfo")

// otherPathError: the narinfo is about another store path than the one that was asked for.
// It may be a good one, which a mistyped name leads to, because its key has only the hash.
type otherPathError struct{ asked, has string }

func (e *otherPathError) Error() string {
	return fmt.Sprintf("%v: that of %s is about %q", errBadNarinfo, e.asked, e.has)
}

func (e *otherPathError) Unwrap() error { return errBadNarinfo }

// readNarinfo reads what the cache says about a path. Its errors are ErrNotFound,
// errBadNarinfo (an otherPathError is one), or the store's own. The ETag is that of the
// object, also of a bad one.
func readNarinfo(ctx context.Context, objects providers.Objects, storePath string) (info *narinfo.NarInfo, etag string, err error) {
	data, etag, err := readSmall(ctx, objects, narinfoKey(storePath))
	if err != nil {
		return nil, "", fmt.Errorf("reading the narinfo of %s: %w", storePath, err)
	}
	if has := subject(data); has != "" && has != storePath {
		return nil, etag, &otherPathError{asked: storePath, has: has}
	}
	if info, err = parseNarinfo(data); err != nil {
		return nil, etag, fmt.Errorf("%w: that of %s cannot be parsed: %w", errBadNarinfo, storePath, err)
	}
	if info.StorePath != storePath {
		return nil, etag, &otherPathError{asked: storePath, has: info.StorePath}
	}
	return info, etag, nil
}

// subject is the store path that a narinfo is about, also when the rest of it is damaged;
// empty when it names none.
func subject(data []byte) string {
	for line := range strings.Lines(string(data)) {
		named, found := strings.CutPrefix(line, "StorePath:")
		if named = strings.TrimSpace(named); found && checkPath(named) == nil {
			return named
		}
	}
	return ""
}

func readSmall(ctx context.Context, objects providers.Objects, key string) (data []byte, etag string, err error) {
	obj, err := objects.Get(ctx, key, providers.GetOptions{MaxBytes: maxNarinfo})
	if err != nil {
		return nil, "", err
	}
	defer obj.Body.Close()
	data, err = io.ReadAll(obj.Body)
	return data, obj.ETag, err
}

// parseNarinfo is go-nix's parser, made to skip keys that newer Nix versions may add and
// to refuse what would make Fingerprint panic or references leave the store.
func parseNarinfo(data []byte) (*narinfo.NarInfo, error) {
	var known bytes.Buffer
	for line := range strings.Lines(string(data)) {
		key, _, _ := strings.Cut(line, ":")
		switch key {
		case "StorePath", "URL", "Compression", "FileHash", "FileSize", "NarHash", "NarSize",
			"References", "Deriver", "System", "Sig", "CA":
			known.WriteString(line)
		}
	}
	info, err := narinfo.Parse(&known)
	if err != nil {
		return nil, err
	}
	if info.NarHash == nil || info.NarSize == 0 || info.URL == "" {
		return nil, errors.New("it has no NarHash, NarSize or URL")
	}
	if err := info.Check(); err != nil {
		return nil, err
	}
	for _, ref := range info.References {
		if err := checkPath(storeDir + ref); err != nil {
			return nil, err
		}
	}
	return info, nil
}
