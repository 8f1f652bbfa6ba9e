package nix

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/nix-community/go-nix/pkg/nixbase32"

	"deployer/providers"
)

// record is what the Nix database has of a valid path.
type record struct {
	narHash string
	narSize int64
	refs    []string
	// deriver may be empty; only dumps tell it.
	deriver string
}

// batch bounds a command line: a store path has about 80 characters, and Linux takes 2 MB.
const batch = 2000

// queryScript prints which of its arguments are invalid, then "==", then the records of
// the valid ones and of all that they need. One shell instead of three commands, because
// under systemd each is a transient unit of its own, and a release waits for the answer.
const queryScript = `set -efu
invalid=$(nix-store --check-validity --print-invalid "$@")
printf '%s\n==\n' "$invalid"
valid=$(printf '%s\n' "$@" "$invalid" | sort | uniq -u)
[ -n "$valid" ] || exit 0
closure=$(nix-store --query --requisites $valid)
printf '%s\n' "$closure" | sort -u | xargs nix-store --dump-db
`

// query adds the records of the valid ones among the paths, each named once, and of all
// that they need. The nix daemon is the quick way, and the commands are the sure one: every
// Nix has them, also without a daemon.
func (m *Manager) query(ctx context.Context, storePaths []string, records map[string]*record) error {
	if err := m.askDaemon(ctx, storePaths, records); err == nil {
		return nil
	}
	for part := range slices.Chunk(storePaths, batch) {
		args := append([]string{"-c", queryScript, "query"}, part...)
		result, err := m.run(ctx, m.o.Queries, Command{Name: "sh", Args: args, Timeout: m.o.QueryTimeout}, "")
		if err != nil {
			return explainQuery(result, err)
		}
		invalid, dump, whole := strings.Cut("\n"+result.Stdout, "\n==\n")
		if !whole {
			return unclear("its answer is cut short")
		}
		if err := parseDump(dump, records); err != nil {
			return unclear(err.Error())
		}
		// A path is valid or it is not. One of which nothing was said must not pass for
		// invalid: it would be pulled, or worse.
		said := strings.Fields(invalid)
		for _, p := range part {
			if records[p] == nil && !slices.Contains(said, p) {
				return unclear("it says nothing of " + p)
			}
		}
	}
	return nil
}

func unclear(what string) error {
	return &providers.Fault{Reason: NixUnavailable, Message: "asking the nix database: " + what, Err: providers.ErrUnavailable}
}

// valid gives those of the paths that are.
func (m *Manager) valid(ctx context.Context, storePaths []string) (map[string]bool, error) {
	records := map[string]*record{}
	if err := m.query(ctx, storePaths, records); err != nil {
		return nil, err
	}
	valid := make(map[string]bool, len(storePaths))
	for _, p := range storePaths {
		valid[p] = records[p] != nil
	}
	return valid, nil
}

// parseDump reads what `nix-store --dump-db` prints for each path: the path, its hash in
// base 16, its size, its deriver (or an empty line), the number of references, and those.
func parseDump(dump string, into map[string]*record) error {
	lines := strings.Split(strings.TrimSuffix(dump, "\n"), "\n")
	for i := 0; i < len(lines) && lines[i] != ""; {
		if len(lines) < i+5 {
			return fmt.Errorf("the record of %s is cut short", lines[i])
		}
		storePath, rest := lines[i], lines[i+1:]
		hash, err := hex.DecodeString(rest[0])
		if err != nil {
			return fmt.Errorf("hash of %s: %w", storePath, err)
		}
		size, sizeErr := strconv.ParseInt(rest[1], 10, 64)
		n, err := strconv.Atoi(rest[3])
		if err != nil || sizeErr != nil || n < 0 || len(rest) < 4+n {
			return fmt.Errorf("the record of %s is damaged", storePath)
		}
		into[storePath] = &record{
			narHash: "sha256:" + nixbase32.EncodeToString(hash),
			narSize: size,
			refs:    slices.Clone(rest[4 : 4+n]),
			deriver: rest[2],
		}
		i += 5 + n
	}
	return nil
}

// stamp changes whenever somebody writes the Nix database, and not when somebody reads
// it (seen with Nix 2.26: reading touches only db.sqlite-shm).
type stamp struct {
	db, wal fileStamp
}

type fileStamp struct {
	inode    uint64
	size     int64
	modified int64
}

func (m *Manager) stamp() stamp {
	dir := filepath.Join(m.o.DiskRoot, "/nix/var/nix/db")
	return stamp{db: stampOf(filepath.Join(dir, "db.sqlite")), wal: stampOf(filepath.Join(dir, "db.sqlite-wal"))}
}

// stampOf is zero for a file that is not there.
func stampOf(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	s := fileStamp{size: info.Size(), modified: info.ModTime().UnixNano()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = sys.Ino
	}
	return s
}
