package env

import (
	"context"
	"crypto/sha256"
	_ "embed" // the script that finishes the image
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gofrs/flock"
)

const imageSuite = "trixie"

//go:embed image/customize
var imageCustomize []byte

// imagePackages is what the root holds beyond Debian's minimal system: what a host that people
// run has (systemd, D-Bus, Nix as Debian sets it up) and what tests look at it with.
var imagePackages = []string{
	"systemd", "systemd-sysv", "dbus", "nix-bin", "nix-setup-systemd",
	"ca-certificates", "curl", "iproute2", "procps", "python3-minimal", "strace", "less",
}

// ErrNoImage means that the root of the test hosts has not been built for the recipe of this
// work tree.
var ErrNoImage = errors.New("the image of the test host is not built: run hack/setup host")

// Image is the directory of the built root, or ErrNoImage. Hosts use it as the lower layer of
// their overlay; nothing may write into it.
func Image() (string, error) {
	dir, err := imageDir()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err != nil {
		return "", ErrNoImage
	}
	return dir, nil
}

// imageDir names the root after a hash of all that decides what is in it.
func imageDir() (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	fmt.Fprintln(hash, imageSuite, runtime.GOARCH, imagePackages, mmdebstrapArgs)
	hash.Write(imageCustomize)
	key := hex.EncodeToString(hash.Sum(nil))[:16]
	return filepath.Join(cache, "images", imageSuite+"-"+key), nil
}

// mmdebstrapArgs name no mirror: mmdebstrap knows Debian's own, and DEPLOYER_DEBIAN_MIRROR
// gives another one where that is not reachable. Documentation is left out for size.
var mmdebstrapArgs = []string{
	"--mode=root", "--variant=minbase", "--format=directory", "--aptopt=Apt::Install-Recommends false",
	"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
	"--dpkgopt=path-exclude=/usr/share/locale/*",
}

// BuildImage makes the root if it is missing and returns its directory; progress goes to
// progress. It builds beside and renames, under a lock, so that two builders build once and
// nobody ever sees half a root.
func BuildImage(ctx context.Context, progress io.Writer) (string, error) {
	dir, err := imageDir()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if os.Geteuid() != 0 {
		return "", errors.New("building the image of the test host: it needs root")
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("building the image of the test host: %w", err)
	}
	lock := flock.New(filepath.Join(filepath.Dir(dir), ".lock"))
	if err := lock.Lock(); err != nil {
		return "", fmt.Errorf("building the image of the test host: %w", err)
	}
	defer lock.Unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return "", fmt.Errorf("removing a half-built image: %w", err)
	}
	if err := mmdebstrap(ctx, part, progress); err != nil {
		return "", err
	}
	if err := os.Rename(part, dir); err != nil {
		return "", fmt.Errorf("building the image of the test host: %w", err)
	}
	return dir, nil
}

func mmdebstrap(ctx context.Context, dir string, progress io.Writer) error {
	script, err := os.CreateTemp("", "deployer-customize-")
	if err != nil {
		return fmt.Errorf("building the image of the test host: %w", err)
	}
	defer os.Remove(script.Name())
	_, err = script.Write(imageCustomize)
	if err := errors.Join(err, script.Chmod(0o755), script.Close()); err != nil {
		return fmt.Errorf("building the image of the test host: %w", err)
	}
	args := append([]string{}, mmdebstrapArgs...)
	args = append(args, "--include="+strings.Join(imagePackages, ","), "--customize-hook="+script.Name(), imageSuite, dir)
	if mirror := os.Getenv("DEPLOYER_DEBIAN_MIRROR"); mirror != "" {
		args = append(args, mirror)
	}
	fmt.Fprintf(progress, "building the image of the test host: %s (about a minute)\n", dir)
	cmd := exec.CommandContext(ctx, "mmdebstrap", args...)
	cmd.Stdout, cmd.Stderr = progress, progress
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running mmdebstrap: %w; is the network there? DEPLOYER_DEBIAN_MIRROR names another mirror", err)
	}
	return nil
}
