package nix_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/providers/nix"
)

var _ = Describe("Publish", func() {
	var (
		store     providers.Objects
		world     *fake.World
		mine      *workstation
		publisher *nix.Publisher
		secret    string
		lines     []string
		web       = storePathOf(1, "web-one")
		typo      = storePathOf(1, "web-xxx")
		lib       = storePathOf(2, "lib")
		foreign   = storePathOf(3, "foreign")
	)
	write := func(key string, data []byte) {
		GinkgoHelper()
		_, err := store.Put(context.Background(), key, bytes.NewReader(data), providers.PutOptions{})
		Expect(err).NotTo(HaveOccurred())
	}
	publish := func(ctx context.Context, storePath string) error {
		_, err := publisher.Publish(ctx, providers.PublishRequest{StorePath: storePath, Progress: func(l string) { lines = append(lines, l) }})
		return err
	}
	// refuses expects that nothing at all was written, and nothing told but the error.
	refuses := func(ctx context.Context, storePath, reason, message string) {
		GinkgoHelper()
		before := contentOf(store)
		world.ForgetCalls()
		err := publish(ctx, storePath)
		Expect(providers.ReasonOf(err)).To(Equal(reason))
		Expect(err).To(MatchError(ContainSubstring(message)))
		Expect(world.Effects()).To(BeEmpty())
		Expect(contentOf(store)).To(Equal(before))
		Expect(lines).To(BeEmpty())
		_, err = publisher.Plan(ctx, storePath)
		Expect(providers.ReasonOf(err)).To(Equal(reason), "a plan says the same")
	}
	haveBuilt := func() {
		mine.add(lib, "lib")
		mine.add(web, "web", lib)
	}
	BeforeEach(func() {
		world = fake.New()
		store, mine, lines = world.Store(), newWorkstation(), nil
		keyFile := filepath.Join(GinkgoT().TempDir(), "key")
		var err error
		secret, _, err = nix.GenerateKey("ours-1")
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(keyFile, []byte(secret), 0o600)).To(Succeed())
		publisher, err = nix.NewPublisher(nix.PublisherOptions{Objects: store, KeyFile: keyFile, Runner: mine, DiskRoot: mine.root})
		Expect(err).NotTo(HaveOccurred())
	})

	It("leaves a good entry alone when its name was mistyped, and asks whether it is the one that was meant", func(ctx SpecContext) {
		write(narinfoKey(web), narinfoOf(secret, web, 1000, web))
		write("nar/x.nar.zst", []byte("0123456789"))
		refuses(ctx, typo, nix.PathInvalid, typo+" is not in this machine's nix store; the cache has "+
			filepath.Base(web)+": is that the one you mean?")
		haveBuilt()
		refuses(ctx, typo, nix.PathInvalid, "is that the one you mean?")
	})

	It("leaves a damaged entry alone while the path is not valid here", func(ctx SpecContext) {
		write(narinfoKey(web), narinfoOf(secret, web, 1000, web)) // its NAR is gone
		refuses(ctx, web, nix.PathInvalid, "is not in this machine's nix store: build it first")
		write(narinfoKey(web), []byte("<html>"))
		refuses(ctx, web, nix.PathInvalid, "build it first")
	})

	It("says that a path is not built yet also when the store gives no answer", func(ctx SpecContext) {
		world.Fail("objects.Get "+narinfoKey(web), providers.ErrUnavailable)
		refuses(ctx, web, nix.PathInvalid, "build it first")
	})

	DescribeTable("replaces no entry about another path, not even where a valid path belongs",
		func(ctx SpecContext, at, about string, change func([]byte) []byte) {
			haveBuilt()
			write(narinfoKey(at), change(narinfoOf(secret, about, 1000)))
			refuses(ctx, web, nix.CacheConflict, "the cache has "+about+" where "+at+" belongs")
		},
		Entry("with the same hash", web, typo, func(d []byte) []byte { return d }),
		Entry("with the same hash, and damaged", web, typo, func(d []byte) []byte { return bytes.Replace(d, []byte("NarSize"), []byte("NraSize"), 1) }),
		Entry("with another hash", web, foreign, func(d []byte) []byte { return d }),
		Entry("in the place of a dependency, behind a root that is missing", lib, storePathOf(2, "bil"), func(d []byte) []byte { return d }),
	)

	It("replaces no other build that somebody else signed, and says so before it sends anything", func(ctx SpecContext) {
		haveBuilt()
		theirs, _, err := nix.GenerateKey("theirs-1")
		Expect(err).NotTo(HaveOccurred())
		write(narinfoKey(lib), narinfoOf(theirs, lib, 1000))
		write("nar/x.nar.zst", []byte("0123456789"))
		refuses(ctx, web, nix.CacheConflict, "the cache has another build of "+lib+" (signed by: other-1, theirs-1)")
	})

	It("takes Nix's silence for no answer, and touches nothing", func(ctx SpecContext) {
		write(narinfoKey(web), []byte("<html>"))
		mine.broken = context.DeadlineExceeded
		refuses(ctx, web, nix.NixUnavailable, "gave no answer in time")
		mine.broken = nix.ErrNoNix
		refuses(ctx, web, nix.NixUnavailable, "nix is not installed on this machine")
	})

	It("replaces what is damaged of its own closure by one write, and nothing else that the cache counts to it", func(ctx SpecContext) {
		haveBuilt()
		write(narinfoKey(web), narinfoOf(secret, web, 1000, foreign)) // another build, of ours
		write(narinfoKey(lib), []byte("<html>"))
		write(narinfoKey(foreign), []byte("<html>"))
		write("nar/x.nar.zst", []byte("0123456789"))
		before := contentOf(store)
		plan, err := publisher.Plan(ctx, web)
		Expect(err).NotTo(HaveOccurred())
		Expect(plan.Upload).To(HaveLen(1))
		Expect(plan.Upload[0].Problem).To(ContainSubstring("cannot be parsed"))
		world.ForgetCalls()
		err = publish(ctx, web)
		Expect(providers.ReasonOf(err)).To(Equal(nix.NarCorrupt), "what the cache's build of web needs is damaged")
		Expect(err).To(MatchError(ContainSubstring(foreign)))
		Expect(lines[0]).To(Equal("uploading 1 of 2 paths"))
		Expect(lines[1]).To(HavePrefix("replacing " + lib + " in the cache: "))
		Expect(world.Effects()).NotTo(ContainElement(HavePrefix("objects.Delete")))
		after := contentOf(store)
		Expect(after[narinfoKey(web)]).To(Equal(before[narinfoKey(web)]))
		Expect(after[narinfoKey(foreign)]).To(Equal("<html>"))
		Expect(after[narinfoKey(lib)]).To(HavePrefix("StorePath: " + lib + "\n"))
	})

	It("is a path that a pull finds missing, with the other name, when the name was mistyped", func(ctx SpecContext) {
		write(narinfoKey(web), narinfoOf(secret, web, 1000))
		db := &database{root: GinkgoT().TempDir(), refs: map[string][]string{}}
		db.touch()
		manager, err := nix.New(nix.Options{
			Paths:   providers.Paths{StateDir: GinkgoT().TempDir(), RootsDir: filepath.Join(GinkgoT().TempDir(), "biz")},
			Objects: store, TrustedPublicKeys: []string{publisher.PublicKey()}, Runner: db, Queries: db, DiskRoot: db.root,
		})
		Expect(err).NotTo(HaveOccurred())
		err = manager.Pull(ctx, typo)
		Expect(providers.ReasonOf(err)).To(Equal(nix.ClosureMissing))
		Expect(err).To(MatchError(ContainSubstring(typo + " is in no cache; the cache has " + filepath.Base(web) + ": is that the one you mean?")))
	})

	It("writes a narinfo with all that this Nix knows of the path", func(ctx SpecContext) {
		mine.add(lib, "lib")
		mine.add(web, "web", lib, web)
		sig := "cache.nixos.org-1:" + strings.Repeat("A", 86) + "=="
		mine.info = `{"` + lib + `":{"ca":"text:sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s","signatures":["` + sig + `","ours-1:` + strings.Repeat("B", 86) + `=="]},"` +
			web + `":{"ca":{"method":"newer"},"signatures":null}}`
		Expect(publish(ctx, web)).To(Succeed())
		expectPullable(store, publisher.PublicKey())
		content := contentOf(store)
		Expect(content[narinfoKey(lib)]).To(And(ContainSubstring("\nSig: "+sig+"\n"), ContainSubstring("\nCA: text:sha256:1b8m"), Not(ContainSubstring("BBBB"))))
		Expect(content[narinfoKey(web)]).To(And(
			MatchRegexp(`(?m)^References: \S+-lib \S+-web-one$`), MatchRegexp(`(?m)^Compression: zstd$`), Not(ContainSubstring("CA:"))))
		Expect(content["nix-cache-info"]).To(ContainSubstring("StoreDir: /nix/store"))

		mine.info = `[{"path":"` + lib + `","signatures":["` + sig + `"]}]` // as Nix 2.18 and older say it
		older := fake.New().Store()
		_, err := mine.publisherOf("ours-2", older).Publish(ctx, providers.PublishRequest{StorePath: lib})
		Expect(err).NotTo(HaveOccurred())
		Expect(contentOf(older)[narinfoKey(lib)]).To(ContainSubstring(sig))
	})

	It("refuses a path whose files are not those that were registered", func(ctx SpecContext) {
		haveBuilt()
		Expect(os.WriteFile(mine.root+lib+"/content", []byte("LIB"), 0o644)).To(Succeed())
		err := publish(ctx, web)
		Expect(providers.ReasonOf(err)).To(Equal(nix.PathDamaged))
		Expect(err).To(MatchError(ContainSubstring("nix-store --repair-path " + lib)))
		Expect(contentOf(store)).NotTo(Or(HaveKey(narinfoKey(lib)), HaveKey(narinfoKey(web))))
		Expect(os.RemoveAll(mine.root + lib)).To(Succeed())
		Expect(providers.ReasonOf(publish(ctx, web))).To(Equal(nix.PathDamaged))
	})

	It("says which key cannot be read, and the way out", func() {
		missing := filepath.Join(GinkgoT().TempDir(), "none")
		_, err := nix.NewPublisher(nix.PublisherOptions{Objects: store, KeyFile: missing})
		Expect(providers.ReasonOf(err)).To(Equal(nix.KeyUnreadable))
		Expect(err).To(MatchError(And(ContainSubstring(missing), ContainSubstring("deploy-manifest keygen"))))
		Expect(os.WriteFile(missing, []byte("ours-1:c2VjcmV0\n"), 0o600)).To(Succeed())
		_, err = nix.NewPublisher(nix.PublisherOptions{Objects: store, KeyFile: missing})
		Expect(providers.ReasonOf(err)).To(Equal(nix.KeyUnreadable))
		Expect(err).NotTo(MatchError(ContainSubstring("c2VjcmV0")))
	})
})
