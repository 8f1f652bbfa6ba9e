package env

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Compile compiles a program of this work tree as a static binary, which runs on hosts too, and
// gives its file in the cache directory, where every work tree has its own. Go's own build cache
// makes every time but the first a fraction of a second.
func Compile(ctx context.Context, pkg, name string) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", fmt.Errorf("compiling %s: %w", name, err)
	}
	bin := filepath.Join(cache, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", fmt.Errorf("compiling %s: %w", name, err)
	}
	root, err := RepoRoot()
	if err != nil {
		return "", fmt.Errorf("compiling %s: %w", name, err)
	}
	file := filepath.Join(bin, fmt.Sprintf("%s-%.4x", name, sha256.Sum256([]byte(root))))
	part := file + "." + strconv.Itoa(os.Getpid())
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w -buildid=", "-o", part, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compiling %s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	if err := os.Rename(part, file); err != nil {
		return "", fmt.Errorf("compiling %s: %w", name, err)
	}
	return file, nil
}
