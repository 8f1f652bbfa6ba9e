package nix

import (
	"fmt"
	"strings"

	"github.com/nix-community/go-nix/pkg/storepath"
)

const storeDir = "/nix/store/"

// CheckPath says why p cannot be the path of one store object; nil when it can.
func CheckPath(p string) error { return checkPath(p) }

// checkPath accepts only the path of one store object. Paths go into command lines and
// into the names of objects, so this is a guard and not politeness; go-nix alone would
// accept a foreign directory of the right length.
func checkPath(p string) error {
	base, below := strings.CutPrefix(p, storeDir)
	if !below || strings.Contains(base, "/") || len(base) < hashLen+2 || base[hashLen] != '-' || base[hashLen+1] == '.' {
		return fmt.Errorf("%q is not a store path: it must be %s<hash>-<name>", p, storeDir)
	}
	if err := storepath.Validate(p); err != nil {
		return fmt.Errorf("%q is not a store path: %w", p, err)
	}
	return nil
}

// hashLen is the length of the hash in a store path's name.
const hashLen = 32

// narinfoKey is where a binary cache keeps what it knows about a path.
func narinfoKey(storePath string) string {
	return storePath[len(storeDir):][:hashLen] + ".narinfo"
}
