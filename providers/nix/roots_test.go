package nix_test

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/providers/nix"
)

var _ = Describe("Roots", func() {
	var (
		dir     string
		manager *nix.Manager
	)
	BeforeEach(func() {
		dir = filepath.Join(GinkgoT().TempDir(), "biz")
		var err error
		manager, err = nix.New(nix.Options{Paths: providers.Paths{RootsDir: dir}, Objects: fake.New().Store()})
		Expect(err).NotTo(HaveOccurred())
	})

	It("are none before there is a directory, which is made for everybody to read", func(ctx SpecContext) {
		Expect(manager.Roots(ctx)).To(BeEmpty())
		Expect(manager.Unroot(ctx, "web-r1")).To(Succeed())
		Expect(manager.Root(ctx, "web-r1", nowhere)).To(Succeed())
		info, err := os.Stat(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(BeEquivalentTo(0o755))
		Expect(os.Readlink(filepath.Join(dir, "web-r1"))).To(Equal(nowhere))
	})

	DescribeTable("have names that stay one file in the directory", func(ctx SpecContext, name string) {
		Expect(manager.Root(ctx, name, nowhere)).NotTo(Succeed())
		Expect(manager.Unroot(ctx, name)).NotTo(Succeed())
		_, err := manager.RootTarget(ctx, name)
		Expect(err).To(HaveOccurred())
		Expect(dir).NotTo(BeADirectory())
	},
		Entry(nil, ""), Entry(nil, ".."), Entry(nil, "../web"), Entry(nil, "a/b"), Entry(nil, ".new-x"),
		Entry(nil, "a\nb"), Entry(nil, "a b"), Entry(nil, "*"),
	)

	DescribeTable("point to store paths only", func(ctx SpecContext, target string) {
		Expect(manager.Root(ctx, "web-r1", target)).NotTo(Succeed())
		Expect(dir).NotTo(BeADirectory())
	},
		Entry(nil, "/etc"), Entry(nil, "/nix/store"), Entry(nil, nowhere+"/bin"), Entry(nil, nowhere[1:]),
		Entry(nil, "/tmp/store/0123456789abcdfghijklmnpqrsvwxyz-nowhere"), Entry(nil, "/nix/store/placeholder"),
		Entry(nil, "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-"), Entry(nil, "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-a b"),
	)

	It("leave what is not a link of ours alone", func(ctx SpecContext) {
		Expect(manager.Root(ctx, "web-r1", nowhere)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(dir, "notes"), []byte("mine"), 0o644)).To(Succeed())
		Expect(os.Symlink("/srv/someone/result", filepath.Join(dir, "someone"))).To(Succeed())
		Expect(manager.Roots(ctx)).To(Equal(map[string]string{"web-r1": nowhere}))
		Expect(manager.Root(ctx, "notes", nowhere)).To(MatchError(providers.ErrConflict))
		Expect(manager.Unroot(ctx, "notes")).To(MatchError(providers.ErrConflict))
		Expect(os.ReadFile(filepath.Join(dir, "notes"))).To(BeEquivalentTo("mine"))
	})

	It("put a link right that somebody bent, and clear away what a crash left", func(ctx SpecContext) {
		Expect(manager.Root(ctx, "web-r1", nowhere)).To(Succeed())
		Expect(os.Remove(filepath.Join(dir, "web-r1"))).To(Succeed())
		Expect(os.Symlink("/etc", filepath.Join(dir, "web-r1"))).To(Succeed())
		Expect(os.Symlink(nowhere, filepath.Join(dir, ".new-web-r1-abc"))).To(Succeed())
		Expect(manager.RootTarget(ctx, "web-r1")).To(Equal("/etc"))
		Expect(manager.Root(ctx, "web-r1", nowhere)).To(Succeed())
		entries, err := os.ReadDir(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(entries).To(HaveLen(1))
	})

	It("say that Nix is missing when its directory is", func(ctx SpecContext) {
		manager, err := nix.New(nix.Options{Paths: providers.Paths{RootsDir: "/nonexistent/gcroots/biz"}, Objects: fake.New().Store()})
		Expect(err).NotTo(HaveOccurred())
		Expect(providers.ReasonOf(manager.Root(ctx, "web-r1", nowhere))).To(Equal(nix.NixUnavailable))
	})
})
