// Package housekeeping_test holds the cache to its promise with Nix itself: after any
// collection every kept release realises from it into an empty store.
package housekeeping_test

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
	"deployer/test/suites/stage"
)

func TestHousekeeping(t *testing.T) {
	stage.Run(t, "housekeeping")
}

// store is a directory, which every Nix can read as a cache.
const store = "/root/store"

// laptop is where people push, and where Nix realises.
var laptop *env.Host

var _ = BeforeSuite(func(ctx SpecContext) {
	lab, err := env.NewLab(ctx, env.LabOptions{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(lab.Close()).To(Succeed()) })
	laptop, err = lab.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop})
	Expect(err).NotTo(HaveOccurred())
	run(ctx, "deploy-manifest", "keygen", "acme-1")
	run(ctx, "deploy-manifest", "init")
})

// try runs a command on the laptop, with the store of the suite.
func try(ctx context.Context, args ...string) (string, error) {
	out, errOut, err := laptop.Exec(ctx, append([]string{"env", "DEPLOYER_STORE=file://" + store}, args...)...)
	GinkgoWriter.Println("laptop#", strings.Join(args, " ")+"\n"+out+errOut)
	return out, err
}

func run(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := try(ctx, args...)
	Expect(err).NotTo(HaveOccurred())
	return out
}
