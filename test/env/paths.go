package env

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	// stateRoot holds small files that say what exists; it may vanish with a reboot.
	stateRoot = "/run/deployer-testhost"
	// diskRoot holds what is large. It is not under /run because that is memory on most machines.
	diskRoot = "/var/tmp/deployer-testhost"
)

// ErrNoTools means that hack/setup has not built the tools that this work tree pins.
var ErrNoTools = errors.New("the pinned tools are not built: run hack/setup tools")

// RepoRoot is the work tree that the tests run in: DEPLOYER_ROOT, or the nearest directory
// upward that holds the module.
func RepoRoot() (string, error) {
	if dir := os.Getenv("DEPLOYER_ROOT"); dir != "" {
		return dir, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the work tree: %w", err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), "module deployer\n") {
			return dir, nil
		}
	}
	return "", errors.New("finding the work tree: no go.mod of module deployer above the working directory; set DEPLOYER_ROOT")
}

// CacheDir is where builds are kept between runs, outside the work tree.
func CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache directory: %w", err)
	}
	return filepath.Join(base, "deployer"), nil
}

// ToolsDir is the directory of the pinned tools (caddy, versitygw, …). The name comes from
// hack/tools/dir, so that hack/setup and the tests cannot disagree about it.
func ToolsDir() (string, error) {
	root, err := RepoRoot()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(filepath.Join(root, "hack/tools/dir")).Output()
	if err != nil {
		return "", fmt.Errorf("asking hack/tools/dir: %w", err)
	}
	dir := strings.TrimSpace(string(out))
	if _, err := os.Stat(filepath.Join(dir, "versitygw")); err != nil {
		return "", ErrNoTools
	}
	return dir, nil
}
