package secrets

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"deployer/providers"
)

// The reasons of a Fault.
const (
	// Missing: no such file. It is ErrNotFound, too.
	Missing = "SecretsMissing"
	// Exposed: others could read it, or replace it.
	Exposed = "SecretsExposed"
	// WrongOwner: it does not belong to root.
	WrongOwner = "SecretsWrongOwner"
	// Symlink: the file or a directory on the way is a symbolic link.
	Symlink = "SecretsSymlink"
	// Invalid: not a file that systemd would read every line of.
	Invalid = "SecretsInvalid"
	// Misplaced: not below the secrets directory.
	Misplaced = "SecretsMisplaced"
	// KeyBroken: the host's key cannot be used.
	KeyBroken = "HostKeyBroken"
)

// check refuses an open file that others could have read or written.
func check(file string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fault(Invalid, nil, "%s is not a regular file: put a file with NAME=value lines there", file)
	}
	if uid := owner(info); uid != root() {
		return fault(WrongOwner, nil, "%s belongs to uid %d: chown root %s", file, uid, file)
	}
	if mode := info.Mode().Perm(); mode&0o177 != 0 {
		what := "can be read by others"
		if mode&0o077 == 0 {
			what = "can be executed"
		} else if mode&0o044 == 0 {
			what = "can be changed by others"
		}
		return fault(Exposed, nil, "%s %s (%04o): chmod 600 %s", file, what, mode, file)
	}
	dir := path.Dir(file)
	parent, err := os.Stat(dir)
	switch {
	case err != nil:
		return unavailable(file, err)
	case owner(parent) != root():
		return fault(WrongOwner, nil, "the directory %s belongs to uid %d, who could replace %s: chown root %s", dir, owner(parent), path.Base(file), dir)
	case parent.Mode().Perm()&0o022 != 0:
		return fault(Exposed, nil, "others could replace files in %s (%04o): chmod 700 %s", dir, parent.Mode().Perm(), dir)
	}
	return nil
}

// root is who must own a secrets file: root, for the daemon runs as root. Who runs it
// otherwise, in a test, is asked for their own files.
func root() int { return os.Geteuid() }

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

func fault(reason string, cause error, format string, args ...any) error {
	return &providers.Fault{Reason: reason, Message: fmt.Sprintf(format, args...), Err: cause}
}
