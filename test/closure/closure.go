// Package closure makes real closures for tests and the demo: input-addressed, so that
// they need a signature, with two dependencies, without nixpkgs and within a second. The
// service in them is the program below ./program.
package closure

import (
	"context"
	"crypto/sha256"
	_ "embed" // the derivations
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"deployer/test/env"
)

//go:embed closure.nix
var derivations []byte

// Host is where Nix builds: an *env.Host, or Local inside of one.
type Host interface {
	Exec(ctx context.Context, args ...string) (stdout, stderr string, err error)
	Write(ctx context.Context, path string, data []byte, mode fs.FileMode) error
}

// Spec says what to build.
type Spec struct {
	// Name is the service: the closure has bin/<Name>.
	Name string
	// Release is what the program answers; another release is another store path.
	Release string
	// Settings make the release good or bad: see program/settings.go.
	Settings map[string]string
	// Blobs adds that many dependencies of BlobSize random bytes each, for pulls that take
	// time. They differ with every build on a new host.
	Blobs    int
	BlobSize int64
}

// dir is where the host gets the program and the derivations.
const dir = "/var/lib/deployer-closure"

// word keeps names inside Nix's grammar and out of the shell's.
var word = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]*$`)

// Build gives the store path of the release, building what is not there yet. Nothing is
// signed and nothing is rooted.
func Build(ctx context.Context, host Host, spec Spec) (storePath string, err error) {
	if !word.MatchString(spec.Name) || !word.MatchString(spec.Release) {
		return "", fmt.Errorf("building closure %s %s: name and release must be letters, digits, dots and dashes", spec.Name, spec.Release)
	}
	if _, local := host.(Local); !local {
		if err := Install(ctx, host); err != nil {
			return "", err
		}
	}
	var settings strings.Builder
	for _, key := range slices.Sorted(maps.Keys(spec.Settings)) {
		fmt.Fprintf(&settings, "%s=%s\n", key, spec.Settings[key])
	}
	stdout, _, err := host.Exec(ctx, "/usr/bin/env", "NIX_REMOTE=local", "nix-build", "--no-out-link",
		"--option", "sandbox", "false", "--option", "substituters", "",
		path.Join(dir, "closure.nix"),
		"--argstr", "name", spec.Name, "--argstr", "release", spec.Release,
		"--argstr", "settings", settings.String(), "--arg", "program", path.Join(dir, "program"),
		"--argstr", "blobs", strconv.Itoa(spec.Blobs), "--argstr", "blobSize", strconv.FormatInt(spec.BlobSize, 10))
	if err != nil {
		return "", fmt.Errorf("building closure %s %s: %w", spec.Name, spec.Release, err)
	}
	return strings.TrimSpace(stdout), nil
}

// Install puts the program and the derivations onto a host. Build does it by itself where
// there is Go; tests that build inside a host, where there is none, do it beforehand.
func Install(ctx context.Context, host Host) error {
	program, err := Program(ctx)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("installing the test program: %w", err)
	}
	files := []struct {
		name string
		data []byte
		mode fs.FileMode
	}{{"program", data, 0o755}, {"closure.nix", derivations, 0o644}}
	for _, f := range files {
		file := path.Join(dir, f.name)
		sum := fmt.Sprintf("%x", sha256.Sum256(f.data))
		if said, _, err := host.Exec(ctx, "sha256sum", file); err == nil && strings.HasPrefix(said, sum) {
			continue
		}
		if err := host.Write(ctx, file, f.data, f.mode); err != nil {
			return fmt.Errorf("installing the test program: %w", err)
		}
	}
	return nil
}

// Program compiles the test program and gives its file.
func Program(ctx context.Context) (string, error) {
	return env.Compile(ctx, "deployer/test/closure/program", "closure-program")
}
