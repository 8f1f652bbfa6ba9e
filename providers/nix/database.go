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
)

// record is what the Nix database has of a valid path.
type record struct {
	narHash string
	narSize int64
	refs    []string
}

// batch bounds a command line: a store path has about 80 characters, and Linux takes 2 MB.
const batch = 2000

// query reads the records of the valid ones among the paths and of all that they need.
// It runs three commands, however many paths there are.
func (m *Manager) query(ctx context.Context, storePaths []string) (map[string]*record, error) {
	valid, err := m.valid(ctx, storePaths)
	if err != nil {
		return nil, err
	}
	closure, err := m.lines(ctx, valid, "--query", "--requisites")
	if err != nil {
		return nil, err
	}
	slices.Sort(closure)
	closure = slices.Compact(closure)
	records := make(map[string]*record, len(closure))
	for part := range slices.Chunk(closure, batch) {
		result, err := m.ask(ctx, append([]string{"--dump-db"}, part...)...)
		if err != nil {
			return nil, err
		}
		if err := parseDump(result, records); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func (m *Manager) valid(ctx context.Context, storePaths []string) ([]string, error) {
	invalid, err := m.lines(ctx, storePaths, "--check-validity", "--print-invalid")
	if err != nil {
		return nil, err
	}
	bad := make(map[string]bool, len(invalid))
	for _, p := range invalid {
		bad[p] = true
	}
	var valid []string
	for _, p := range storePaths {
		if !bad[p] {
			valid = append(valid, p)
		}
	}
	return valid, nil
}

// lines runs a command over the paths in batches and gives what it printed.
func (m *Manager) lines(ctx context.Context, storePaths []string, args ...string) ([]string, error) {
	var lines []string
	for part := range slices.Chunk(storePaths, batch) {
		out, err := m.ask(ctx, append(slices.Clone(args), part...)...)
		if err != nil {
			return nil, err
		}
		lines = append(lines, strings.Fields(out)...)
	}
	return lines, nil
}

func (m *Manager) ask(ctx context.Context, args ...string) (string, error) {
	result, err := m.nixStore(ctx, m.o.QueryTimeout, "", args...)
	if err != nil {
		return "", explainQuery(result, err)
	}
	return result.Stdout, nil
}

// parseDump reads what `nix-store --dump-db` prints for each path: the path, its hash in
// base 16, its size, its deriver (or an empty line), the number of references, and those.
func parseDump(dump string, into map[string]*record) error {
	lines := strings.Split(strings.TrimSuffix(dump, "\n"), "\n")
	for i := 0; i < len(lines) && lines[i] != ""; {
		if len(lines) < i+5 {
			return fmt.Errorf("reading the nix database: the record of %s is cut short", lines[i])
		}
		storePath, rest := lines[i], lines[i+1:]
		hash, err := hex.DecodeString(rest[0])
		if err != nil {
			return fmt.Errorf("reading the nix database: hash of %s: %w", storePath, err)
		}
		size, sizeErr := strconv.ParseInt(rest[1], 10, 64)
		n, err := strconv.Atoi(rest[3])
		if err != nil || sizeErr != nil || n < 0 || len(rest) < 4+n {
			return fmt.Errorf("reading the nix database: the record of %s is damaged", storePath)
		}
		into[storePath] = &record{
			narHash: "sha256:" + nixbase32.EncodeToString(hash),
			narSize: size,
			refs:    slices.Clone(rest[4 : 4+n]),
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
