package nix_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/nix-community/go-nix/pkg/nar"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/test/env"
)

// oddTree has what a NAR may hold, in names and sizes that have gone wrong somewhere.
func oddTree(dir string, odd ...string) {
	GinkgoHelper()
	for _, d := range []string{"a", "a-b", "a.b", "empty", "a/deep/er"} {
		Expect(os.MkdirAll(filepath.Join(dir, d), 0o755)).To(Succeed())
	}
	files := append([]string{"A", "a/x", "a-b/x", "a.b/x", "a/deep/er/ü", "b c", "run", "nothing"}, odd...)
	for i, f := range files {
		Expect(os.WriteFile(filepath.Join(dir, f), bytes.Repeat([]byte{byte(i)}, i*7), 0o644)).To(Succeed())
	}
	Expect(os.Chmod(filepath.Join(dir, "run"), 0o755)).To(Succeed())
	Expect(os.Symlink("../nowhere", filepath.Join(dir, "dangling"))).To(Succeed())
	Expect(os.Symlink("a", filepath.Join(dir, "link"))).To(Succeed())
}

var _ = Describe("A NAR", func() {
	It("is the one that others make of the same files, odd ones too", func(ctx SpecContext) {
		mine, store, path := newWorkstation(), fake.New().Store(), storePathOf(1, "odd")
		Expect(os.MkdirAll(mine.root+path, 0o755)).To(Succeed())
		oddTree(mine.root + path)
		mine.register(path) // by go-nix
		_, err := mine.publisherOf("ours-1", store).Publish(ctx, providers.PublishRequest{StorePath: path})
		Expect(err).NotTo(HaveOccurred())
		expectPullable(store)

		single := storePathOf(2, "file")
		Expect(os.WriteFile(mine.root+single, []byte("a path need not be a directory"), 0o644)).To(Succeed())
		mine.register(single)
		link := storePathOf(3, "link")
		Expect(os.Symlink("/elsewhere", mine.root+link)).To(Succeed())
		mine.register(link)
		for _, p := range []string{single, link} {
			_, err = mine.publisherOf("ours-1", fake.New().Store()).Publish(ctx, providers.PublishRequest{StorePath: p})
			Expect(err).NotTo(HaveOccurred())
		}
	})

	It("has names that begin with two dots, which the library takes for the way up", func() {
		dir := GinkgoT().TempDir()
		oddTree(dir, "..hidden")
		Expect(nar.DumpPath(&bytes.Buffer{}, dir)).NotTo(Succeed(), "now that the library can do it, use the library")
	})

	It("is Nix's own, bit by bit", Label("real"), func(ctx SpecContext) {
		if !env.Inside() {
			Skip("runs inside a test host, started by TestNixOnTestHost")
		}
		host := newRealHost()
		dir := filepath.Join(GinkgoT().TempDir(), "odd")
		Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
		oddTree(dir, "..hidden", "...")
		path := strings.TrimSpace(nixStore("--add", dir))
		_, err := host.publisher.Publish(ctx, providers.PublishRequest{StorePath: path})
		Expect(err).NotTo(HaveOccurred())
		Expect(string(host.read(narinfoKey(path)))).To(ContainSubstring("CA: fixed:r:sha256:"))
		deleteLocally(path)
		Expect(host.Pull(ctx, path)).To(Succeed())
		nixStore("--verify-path", path)
	})
})
