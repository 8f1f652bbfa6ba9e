package nix_test

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/fake"
	"deployer/providers/nix"
)

var _ = Describe("The leftovers of rooting", func() {
	var (
		dir     string
		manager *nix.Manager
	)
	BeforeEach(func() {
		dir = GinkgoT().TempDir()
		var err error
		manager, err = nix.New(nix.Options{Paths: providers.Paths{RootsDir: dir}, Objects: fake.New().Store()})
		Expect(err).NotTo(HaveOccurred())
	})
	link := func(name string) string {
		GinkgoHelper()
		path := filepath.Join(dir, name)
		Expect(os.Symlink(nowhere, path)).To(Succeed())
		return path
	}

	conformance.Leftovers(func() conformance.LeftoversHost {
		return conformance.LeftoversHost{
			Leftovers: manager,
			Leave:     func(service string) string { return link(".new-" + service + "-1abcdefghijk-q3w4e5r6") },
		}
	})

	It("are neither roots, nor links that somebody else made", func(ctx SpecContext) {
		Expect(manager.Root(ctx, "web-1abcdefghijk", nowhere)).To(Succeed())
		link(".new-web-backup")
		link(".new-")
		link(".hidden")
		Expect(os.WriteFile(filepath.Join(dir, ".new-web-1abcdefghijk-q3w4e5r6"), nil, 0o600)).To(Succeed())
		Expect(manager.Leftovers(ctx)).To(BeEmpty())
	})

	It("are never cleared elsewhere, nor is what is a root", func(ctx SpecContext) {
		root := link("web-1abcdefghijk")
		elsewhere := filepath.Join(GinkgoT().TempDir(), ".new-web-1abcdefghijk-q3w4e5r6")
		Expect(os.Symlink(nowhere, elsewhere)).To(Succeed())
		for _, path := range []string{root, elsewhere} {
			Expect(manager.Clear(ctx, providers.Leftover{Service: "web", Path: path})).NotTo(Succeed())
			Expect(os.Readlink(path)).To(Equal(nowhere))
		}
	})
})
