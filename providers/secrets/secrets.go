// Package secrets reads the secrets files of a host. A file is used only when nobody but
// root can read or replace it, and only the fingerprint of its content (with a key that
// never leaves the host) goes anywhere but into a release directory. No error and no log
// holds a byte of it.
package secrets

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// MaxSize of a secrets file. What a process gets as environment is limited far below.
const MaxSize = 64 << 10

// fingerprintLength in base32hex characters: 50 bits, for telling a few versions of one
// file apart.
const fingerprintLength = 10

// Files is providers.Secrets: the files below Paths.SecretsDir.
type Files struct {
	paths providers.Paths
	mu    sync.Mutex
	key   []byte
}

var _ providers.Secrets = (*Files)(nil)

// New touches nothing; the host's key is made by the first Read that needs it.
func New(paths providers.Paths) *Files { return &Files{paths: paths} }

// Read gives a file's content with its fingerprint. No path is the zero Secret with
// v1.NoSecrets. A file that may not be used is a *providers.Fault with one of the
// reasons below: certain, and nothing that waiting cures.
func (s *Files) Read(_ context.Context, file string) (providers.Secret, error) {
	if file == "" {
		return providers.Secret{Fingerprint: v1.NoSecrets}, nil
	}
	content, err := s.content(file)
	if err != nil {
		return providers.Secret{}, err
	}
	if line := badLine(content); line > 0 {
		return providers.Secret{}, fault(Invalid, nil,
			"line %d of %s is not NAME=value, and systemd would pass over it without a word: correct it", line, file)
	}
	key, err := s.hostKey()
	if err != nil {
		return providers.Secret{}, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(content)
	text := strings.ToLower(base32.HexEncoding.EncodeToString(mac.Sum(nil)))
	return providers.Secret{Fingerprint: text[:fingerprintLength], Content: content}, nil
}

// content reads the file if it is safe to. It is checked through the handle that it is
// then read from, so that nobody exchanges it in between.
func (s *Files) content(file string) (providers.SecretBytes, error) {
	f, err := s.open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, unavailable(file, err)
	}
	if err := check(file, info); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	switch {
	case err != nil:
		return nil, unavailable(file, err)
	case len(content) > MaxSize:
		return nil, fault(Invalid, nil, "%s is longer than %d KiB: keep only NAME=value lines in it", file, MaxSize>>10)
	}
	return content, nil
}

// open follows no link on the way from the secrets directory.
func (s *Files) open(file string) (*os.File, error) {
	below, ok := strings.CutPrefix(file, s.paths.SecretsDir+"/")
	if !ok || path.Clean(file) != file {
		return nil, fault(Misplaced, nil, "%s is not a file below %s: move it there", file, s.paths.SecretsDir)
	}
	fd, err := openBeneath(s.paths.SecretsDir, strings.Split(below, "/"))
	if err != nil {
		return nil, s.openFailed(file, err)
	}
	return os.NewFile(uintptr(fd), file), nil
}

// openBeneath opens one part of the path after the other, and none that is a link: ELOOP.
// One openat2 would do, but systemd's RestrictSUIDSGID= forbids that call to the daemon.
func openBeneath(dir string, parts []string) (int, error) {
	at, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	for i, part := range parts {
		if err != nil {
			return -1, err
		}
		// O_NONBLOCK: a named pipe must not hang us.
		flags := unix.O_RDONLY | unix.O_NONBLOCK
		if i < len(parts)-1 {
			flags = unix.O_PATH | unix.O_DIRECTORY
		}
		var next int
		next, err = unix.Openat(at, part, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		var info unix.Stat_t
		if errors.Is(err, unix.ENOTDIR) && unix.Fstatat(at, part, &info, unix.AT_SYMLINK_NOFOLLOW) == nil &&
			info.Mode&unix.S_IFMT == unix.S_IFLNK {
			err = unix.ELOOP
		}
		_ = unix.Close(at)
		at = next
	}
	return at, err
}

func (s *Files) openFailed(file string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault(Missing, providers.ErrNotFound,
			"%s is missing: create it, mode 0600, owner root: `install -D -m 600 /dev/null %s`, and edit it", file, file)
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.EXDEV):
		return fault(Symlink, nil, "%s is or passes through a symbolic link: put the file itself there", file)
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENXIO):
		return fault(Invalid, nil, "%s is not a regular file: put a file with NAME=value lines there", file)
	}
	return unavailable(file, err)
}

func unavailable(file string, err error) error {
	return fmt.Errorf("reading %s: %w: %w", file, providers.ErrUnavailable, err)
}
