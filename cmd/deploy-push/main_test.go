package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/cmd/internal/cli"
)

func TestDeployPush(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "cmd/deploy-push")
}

var _ = Describe("A STORE_PATH that is none", func() {
	const release = "/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-web-1.2"

	// The store cannot be opened, so an answer of 2 was given before it was asked for.
	push := func(storePath string) (code int, stdout, stderr string) {
		c := command()
		var out, errOut bytes.Buffer
		c.SetOut(&out)
		c.SetErr(&errOut)
		c.SetArgs([]string{"web", storePath, "--store", "file:///nonexistent/store", "--key", "/nonexistent/key"})
		code = cli.Run(GinkgoT().Context(), c, &errOut)
		return code, out.String(), errOut.String()
	}

	DescribeTable("is a mistake in the command line, and nothing is begun",
		func(storePath string) {
			code, stdout, stderr := push(storePath)
			Expect(code).To(Equal(cli.ExitUsage))
			Expect(stdout).To(BeEmpty())
			Expect(stderr).To(ContainSubstring("is not a store path"))
		},
		Entry("empty", ""),
		Entry("a relative path", "./result"),
		Entry("a path below one", release+"/bin/web"),
		Entry("no hash", "/nix/store/web"),
	)

	It("tells where a link leads, as that of nix-build", func() {
		link := filepath.Join(GinkgoT().TempDir(), "result")
		Expect(os.Symlink(release, link)).To(Succeed())
		code, stdout, stderr := push(link)
		Expect(code).To(Equal(cli.ExitUsage))
		Expect(stdout).To(BeEmpty())
		Expect(stderr).To(ContainSubstring("it is a link to " + release))
	})

	It("lets a store path through", func() {
		code, _, stderr := push(release)
		Expect(code).NotTo(Equal(cli.ExitUsage))
		Expect(stderr).NotTo(ContainSubstring("is not a store path"))
	})
})
