package nix_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/nix"
	"deployer/test/closure"
	"deployer/test/env"
)

func TestNix(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Nix")
}

// TestNixOnTestHost runs the specs of TestNix again inside a test host, where those that
// need a real Nix register, too.
func TestNixOnTestHost(t *testing.T) {
	if env.Inside() {
		t.Skip("this is the outer half")
	}
	env.Require(t)
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	lab, err := env.NewLab(ctx, env.LabOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	host, err := lab.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop})
	if err != nil {
		t.Fatal(err)
	}
	if err := closure.Install(ctx, host); err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.run=^TestNix$", "-ginkgo.label-filter=real"}
	if focus := os.Getenv("NIX_TEST_FOCUS"); focus != "" {
		args = append(args, "-ginkgo.focus="+focus)
	}
	if testing.Verbose() {
		args = append(args, "-ginkgo.v")
	}
	if err := env.RunInside(ctx, host, env.InsideOptions{Args: args}); err != nil {
		t.Fatal(err)
	}
}

// TestPullInSandbox is the other process of the sandbox spec: it pulls and observes one
// closure through an HTTP cache. Run as a test it does nothing.
func TestPullInSandbox(t *testing.T) {
	words := strings.Fields(os.Getenv("NIX_TEST_SANDBOX"))
	if len(words) != 3 {
		return
	}
	cache, key, storePath := words[0], words[1], words[2]
	objects, err := nix.OpenHTTPCache(cache)
	if err != nil {
		t.Fatal(err)
	}
	manager, err := nix.New(nix.Options{Paths: providers.DefaultPaths(), Objects: objects, TrustedPublicKeys: []string{key}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := manager.Root(ctx, "sandbox-r1", storePath); err != nil {
		t.Fatal(err)
	}
	if err := manager.Pull(ctx, storePath); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	facts, err := manager.Observe(ctx, storePath)
	if err != nil || !facts[storePath].Valid || !facts[storePath].OnDisk {
		t.Fatal(facts, err)
	}
	t.Logf("first look after a pull: %v", time.Since(began))
	if err := manager.Unroot(ctx, "sandbox-r1"); err != nil {
		t.Fatal(err)
	}
}
