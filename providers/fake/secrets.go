package fake

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io/fs"
	"strings"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// SecretsFile is a secrets file on the host.
type SecretsFile struct {
	Content string
	// Mode: 0 stands for 0600.
	Mode fs.FileMode
	// UID of the owner; root is 0.
	UID int
	// Symlink: it is one.
	Symlink bool
}

// secrets is providers.Secrets.
type secrets struct{ w *World }

var _ providers.Secrets = secrets{}

func (s secrets) Read(ctx context.Context, path string) (out providers.Secret, err error) {
	err = s.w.run(ctx, look("secrets.Read", path), func() error {
		if path == "" {
			out.Fingerprint = v1.NoSecrets
			return nil
		}
		f, found := s.w.SecretsFiles[path]
		mode := f.Mode
		if mode == 0 {
			mode = 0o600
		}
		switch {
		case !found:
			return secretsFault("SecretsMissing", providers.ErrNotFound, "%s is missing: create it (mode 0600, owner root)", path)
		case f.Symlink:
			return secretsFault("SecretsSymlink", nil, "%s is a symbolic link: put the file itself there", path)
		case f.UID != 0:
			return secretsFault("SecretsWrongOwner", nil, "%s belongs to uid %d: chown root %s", path, f.UID, path)
		case mode&0o077 != 0:
			return secretsFault("SecretsExposed", nil, "%s is open to others (%04o): chmod 600 %s", path, mode, path)
		}
		out = providers.Secret{Fingerprint: digest("host key", f.Content)[:10], Content: providers.SecretBytes(f.Content)}
		return nil
	})
	return out, err
}

func secretsFault(reason string, cause error, format string, args ...any) error {
	return &providers.Fault{Reason: reason, Message: fmt.Sprintf(format, args...), Err: cause}
}

// digest is a hash in base32hex, lower case.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return strings.ToLower(base32.HexEncoding.EncodeToString(sum[:]))
}
