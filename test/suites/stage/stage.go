// Package stage is what the suites play on: a lab with its S3, the laptop of a person who
// deploys, and the host biz, which trusts that person's key. Everything goes through the
// real binaries of bin/, as `make build` left them.
//
// Helpers take part in a Ginkgo spec: what they expect and do not see fails it, and
// ExplainFailures prints what a person would look at on the host then.
package stage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/closure"
	"deployer/test/env"
)

// Stage is a lab with its two usual machines.
type Stage struct {
	Lab         *env.Lab
	Laptop, Biz *env.Host
	// Key is the public key that biz trusts, name:base64.
	Key string

	mu       sync.Mutex
	releases map[string]string
}

// Options say how biz differs from the usual host.
type Options struct {
	// Config is laid over its configuration.
	Config map[string]any
	// Caddy is laid over Caddy's first configuration.
	Caddy map[string]any
	// Files are on it before the first boot.
	Files []env.File
	// KeyName names the laptop's signing key; empty is KeyName.
	KeyName string
	// Bare leaves biz for the suite to set up.
	Bare bool
}

// KeyName names the laptop's signing key, if nobody wants another.
const KeyName = "suite-1"

// app is the program's name in every closure of a suite: services differ by their name and
// say `command: bin/app`, so that a release is built and uploaded once.
const app = "app"

// Quick makes a host look more often than a real one, so that no suite waits for a poll. The
// times that are asserted leave a poll's length out of account.
func Quick() map[string]any {
	return map[string]any{"poll": map[string]any{"min": "250ms", "max": "1s"}, "fullPass": "2s"}
}

// New boots the lab, makes the key and the first manifest, and takes all down at the end of
// the container.
func New(ctx context.Context, o Options) *Stage {
	GinkgoHelper()
	requireBinaries()
	s := &Stage{releases: map[string]string{}}
	var err error
	s.Lab, err = env.NewLab(ctx, env.LabOptions{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(s.Lab.Close()).To(Succeed()) })
	s.Laptop, err = s.Lab.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop})
	Expect(err).NotTo(HaveOccurred())
	if o.KeyName == "" {
		o.KeyName = KeyName
	}
	s.OK(ctx, s.Laptop, "deploy-manifest", "keygen", o.KeyName)
	key, err := s.Laptop.Read(ctx, "/root/.config/deployer/"+o.KeyName+".public")
	Expect(err).NotTo(HaveOccurred())
	s.Key = strings.TrimSpace(string(key))
	if o.Config == nil {
		o.Config = Quick()
	}
	s.Biz, err = s.Lab.Up(ctx, "biz", env.HostOptions{
		TrustedPublicKeys: []string{s.Key}, Config: o.Config, Caddy: o.Caddy, Files: o.Files, Bare: o.Bare,
	})
	Expect(err).NotTo(HaveOccurred())
	s.OK(ctx, s.Laptop, "deploy-manifest", "init")
	return s
}

// requireBinaries: a suite on a host without them would fail in the strangest places.
func requireBinaries() {
	GinkgoHelper()
	root, err := env.RepoRoot()
	Expect(err).NotTo(HaveOccurred())
	for _, name := range []string{"biz-deployer", "deployerctl", "deploy-manifest", "deploy-push"} {
		_, err := os.Stat(filepath.Join(root, "bin", name))
		Expect(errors.Is(err, os.ErrNotExist)).To(BeFalse(), "bin/%s is missing: `make build` makes it", name)
	}
}

// Release gives the store path of a release on the laptop, built once per suite.
func (s *Stage) Release(ctx context.Context, release string) string {
	GinkgoHelper()
	return s.Build(ctx, s.Laptop, closure.Spec{Name: app, Release: release})
}

// Build gives the store path of a release on a machine, built once per suite.
func (s *Stage) Build(ctx context.Context, host *env.Host, spec closure.Spec) string {
	GinkgoHelper()
	key := host.Name + "/" + spec.Name + "/" + spec.Release
	s.mu.Lock()
	defer s.mu.Unlock()
	if path, ok := s.releases[key]; ok {
		return path
	}
	path, err := closure.Build(ctx, host, spec)
	Expect(err).NotTo(HaveOccurred())
	s.releases[key] = path
	return path
}
