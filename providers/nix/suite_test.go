package nix_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

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
	if testing.Verbose() {
		args = append(args, "-ginkgo.v")
	}
	if err := env.RunInside(ctx, host, env.InsideOptions{Args: args}); err != nil {
		t.Fatal(err)
	}
}
