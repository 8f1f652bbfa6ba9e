package env

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// RequireBuilt is Require for tests of the commands themselves, which are installed from
// bin/: they fail when those are missing or older than their source. Anything else would
// be a test of what was there yesterday.
func RequireBuilt(t TB) {
	t.Helper()
	Require(t)
	if err := built(); err != nil {
		t.Fatalf("the commands in bin/ are not those of this work tree: %v: run `make build` first", err)
	}
}

// sources are what the commands are built from.
var sources = []string{"api", "cmd", "controllers", "providers", "reconcile", "go.mod"}

func built() error {
	repo, err := RepoRoot()
	if err != nil {
		return err
	}
	newest, name, err := newestSource(repo)
	if err != nil {
		return err
	}
	for _, program := range programs {
		info, err := os.Stat(filepath.Join(repo, "bin", program))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("there is no bin/%s", program)
		case err != nil:
			return err
		case info.ModTime().Before(newest):
			return fmt.Errorf("bin/%s is older than %s", program, name)
		}
	}
	return nil
}

func newestSource(repo string) (newest time.Time, name string, err error) {
	for _, source := range sources {
		err := filepath.WalkDir(filepath.Join(repo, source), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			info, err := d.Info()
			if err == nil && info.ModTime().After(newest) && (strings.HasSuffix(path, ".go") || source == "go.mod") {
				newest = info.ModTime()
				name, err = filepath.Rel(repo, path)
			}
			return err
		})
		if err != nil {
			return newest, name, fmt.Errorf("looking for what is newer than bin/: %w", err)
		}
	}
	return newest, name, nil
}
