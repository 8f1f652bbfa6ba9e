package nix_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/providers/nix"
)

var _ = Describe("Verify", func() {
	var db *database
	var manager *nix.Manager
	var web, libc string
	BeforeEach(func() {
		db = &database{root: GinkgoT().TempDir(), refs: map[string][]string{}, hashes: map[string][]byte{}}
		var err error
		manager, err = nix.New(nix.Options{
			Paths:   providers.Paths{StateDir: GinkgoT().TempDir(), RootsDir: filepath.Join(GinkgoT().TempDir(), "biz")},
			Objects: fake.New().Store(), Runner: db, Queries: db, DiskRoot: db.root,
		})
		Expect(err).NotTo(HaveOccurred())
		web, libc = pathOf("web"), pathOf("libc")
		for _, p := range []string{web, libc} {
			Expect(os.MkdirAll(db.root+p, 0o755)).To(Succeed())
			Expect(os.WriteFile(filepath.Join(db.root+p, "file"), bytes.Repeat([]byte(p), 10_000), 0o644)).To(Succeed())
			db.hashes[p] = nix.HashOf(db.root + p)
		}
		db.register(web, libc)
		db.register(libc)
	})

	It("reads a whole closure, and names the one that differs with both hashes", func(ctx SpecContext) {
		seen, err := manager.Verify(ctx, providers.VerifyRequest{StorePaths: []string{web}})
		Expect(err).NotTo(HaveOccurred())
		Expect(seen).To(Equal(providers.Verified{Paths: 2}))
		Expect(os.Chmod(filepath.Join(db.root+libc, "file"), 0o755)).To(Succeed(), "that it is executable is content")
		seen, err = manager.Verify(ctx, providers.VerifyRequest{StorePaths: []string{web, pathOf("nowhere")}})
		Expect(err).NotTo(HaveOccurred())
		Expect(seen.Altered).To(HaveExactElements(And(HaveField("StorePath", libc), HaveField("What", MatchRegexp("their hash is sha256:.* and should be sha256:")))))
	})

	It("goes on after a path that is gone, and after one that became something else", func(ctx SpecContext) {
		db.register(libc, pathOf("gone"))
		db.refs[pathOf("gone")] = nil
		Expect(os.Remove(filepath.Join(db.root+web, "file"))).To(Succeed())
		Expect(os.Symlink("file", filepath.Join(db.root+web, "file"))).To(Succeed())
		seen, err := manager.Verify(ctx, providers.VerifyRequest{StorePaths: []string{web}})
		Expect(err).NotTo(HaveOccurred())
		Expect(seen.Paths).To(Equal(3))
		Expect(seen.Altered).To(ConsistOf(
			And(HaveField("StorePath", web), HaveField("What", ContainSubstring("their hash"))),
			And(HaveField("StorePath", pathOf("gone")), HaveField("What", "its files are not there")),
		))
	})

	It("is no faster than it may be, and ends when nobody waits any more", func(ctx SpecContext) {
		began := time.Now()
		_, err := manager.Verify(ctx, providers.VerifyRequest{StorePaths: []string{libc}, BytesPerSecond: 4 << 20})
		Expect(err).NotTo(HaveOccurred())
		Expect(time.Since(began)).To(BeNumerically(">", 100*time.Millisecond), "half a megabyte")
		hurried, stop := context.WithTimeout(ctx, 20*time.Millisecond)
		defer stop()
		_, err = manager.Verify(hurried, providers.VerifyRequest{StorePaths: []string{web}, BytesPerSecond: 1})
		Expect(err).To(MatchError(context.DeadlineExceeded))
	})
})
