package nix_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/providers/nix"
)

// workstation answers the questions of Publish as the Nix of a machine would that has
// exactly these paths, each other's requisites. It copies nothing.
type workstation struct {
	valid  []string
	asked  []string
	broken error
}

func (w *workstation) Run(_ context.Context, c nix.Command) (nix.Result, error) {
	w.asked = append(w.asked, strings.Join(append([]string{c.Name}, c.Args...), " "))
	last := c.Args[len(c.Args)-1]
	switch {
	case w.broken != nil:
		return nix.Result{}, w.broken
	case slices.Contains(c.Args, "--check-validity"):
		if slices.Contains(w.valid, last) {
			return nix.Result{}, nil
		}
		return nix.Result{Stdout: last + "\n"}, nil
	case slices.Contains(c.Args, "--requisites"):
		return nix.Result{Stdout: strings.Join(w.valid, "\n") + "\n"}, nil
	}
	return nix.Result{Stderr: "error: no copies today\n"}, &nix.ExitError{Command: c.Name, Stderr: "error: no copies today\n"}
}

var _ = Describe("Publish, before Nix copies anything", func() {
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
	content := func() map[string]string {
		GinkgoHelper()
		out := map[string]string{}
		infos, err := store.List(context.Background(), "")
		Expect(err).NotTo(HaveOccurred())
		for _, i := range infos {
			obj, err := store.Get(context.Background(), i.Key, providers.GetOptions{})
			Expect(err).NotTo(HaveOccurred())
			data, err := io.ReadAll(obj.Body)
			Expect(err).NotTo(HaveOccurred())
			out[i.Key] = string(data)
		}
		return out
	}
	publish := func(ctx context.Context, storePath string) error {
		_, err := publisher.Publish(ctx, providers.PublishRequest{StorePath: storePath, Progress: func(l string) { lines = append(lines, l) }})
		return err
	}
	// refuses expects that nothing at all was written, and nothing told but the error.
	refuses := func(ctx context.Context, storePath, reason, message string) {
		GinkgoHelper()
		before := content()
		err := publish(ctx, storePath)
		Expect(providers.ReasonOf(err)).To(Equal(reason))
		Expect(err).To(MatchError(ContainSubstring(message)))
		Expect(content()).To(Equal(before))
		Expect(lines).To(BeEmpty())
		Expect(mine.asked).NotTo(ContainElement(HavePrefix("nix ")), "nothing was copied")
	}
	BeforeEach(func() {
		world = fake.New()
		store, mine, lines = world.Store(), &workstation{}, nil
		keyFile := filepath.Join(GinkgoT().TempDir(), "key")
		var err error
		secret, _, err = nix.GenerateKey("ours-1")
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(keyFile, []byte(secret), 0o600)).To(Succeed())
		publisher, err = nix.NewPublisher(nix.PublisherOptions{Objects: store, KeyFile: keyFile, Runner: mine})
		Expect(err).NotTo(HaveOccurred())
	})

	It("leaves a good entry alone when its name was mistyped, and asks whether it is the one that was meant", func(ctx SpecContext) {
		write(narinfoKey(web), narinfoOf(secret, web, 1000, web))
		write("nar/x.nar.zst", []byte("0123456789"))
		refuses(ctx, typo, nix.PathInvalid, typo+" is not in this machine's nix store; the cache has "+
			filepath.Base(web)+": is that the one you mean?")
		mine.valid = []string{web}
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
			mine.valid = []string{lib, web}
			write(narinfoKey(at), change(narinfoOf(secret, about, 1000)))
			refuses(ctx, web, nix.CacheConflict, "the cache has "+about+" where "+at+" belongs")
		},
		Entry("with the same hash", web, typo, func(d []byte) []byte { return d }),
		Entry("with the same hash, and damaged", web, typo, func(d []byte) []byte { return bytes.Replace(d, []byte("NarSize"), []byte("NraSize"), 1) }),
		Entry("with another hash", web, foreign, func(d []byte) []byte { return d }),
		Entry("in the place of a dependency, behind a root that is missing", lib, storePathOf(2, "bil"), func(d []byte) []byte { return d }),
	)

	It("takes Nix's silence for no answer, and touches nothing", func(ctx SpecContext) {
		write(narinfoKey(web), []byte("<html>"))
		mine.broken = context.DeadlineExceeded
		refuses(ctx, web, nix.NixUnavailable, "gave no answer in time")
		mine.broken = nix.ErrNoNix
		refuses(ctx, web, nix.NixUnavailable, "nix is not installed on this machine")
	})

	It("takes out what is damaged of its own closure, and nothing else that the cache counts to it", func(ctx SpecContext) {
		mine.valid = []string{lib, web}
		write(narinfoKey(web), narinfoOf(secret, web, 1000, foreign)) // another build, say
		write(narinfoKey(lib), []byte("<html>"))
		write(narinfoKey(foreign), []byte("<html>"))
		write("nar/x.nar.zst", []byte("0123456789"))
		err := publish(ctx, web)
		Expect(providers.ReasonOf(err)).To(Equal(nix.PublishFailed), "it came as far as the copy")
		Expect(lines).To(HaveLen(2))
		Expect(lines[0]).To(Equal("signing and uploading " + web))
		Expect(lines[1]).To(HavePrefix("replacing " + lib + " in the cache: "))
		Expect(content()).To(And(HaveKey(narinfoKey(web)), HaveKey(narinfoKey(foreign)), Not(HaveKey(narinfoKey(lib)))))
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
})
