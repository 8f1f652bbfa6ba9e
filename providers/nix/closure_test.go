package nix_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"

	"github.com/nix-community/go-nix/pkg/narinfo"
	"github.com/nix-community/go-nix/pkg/narinfo/signature"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/providers/nix"
)

// storePathOf numbers paths, so that each has a narinfo of its own.
func storePathOf(n int, name string) string { return fmt.Sprintf("/nix/store/%032d-%s", n, name) }

// narinfoOf is a signed narinfo.
func narinfoOf(secret, storePath string, size int64, refs ...string) []byte {
	GinkgoHelper()
	text := fmt.Sprintf("StorePath: %s\nURL: nar/x.nar.zst\nCompression: zstd\nFileSize: 10\nNarHash: sha256:%052d\nNarSize: %d\nReferences: %s\nFuture: word\n",
		storePath, 0, size, strings.Join(refs, " "))
	text = strings.ReplaceAll(text, "/nix/store/", "")
	text = strings.Replace(text, "StorePath: ", "StorePath: /nix/store/", 1)
	info, err := narinfo.Parse(strings.NewReader(strings.Replace(text, "Future: word\n", "", 1)))
	Expect(err).NotTo(HaveOccurred())
	key, err := signature.LoadSecretKey(secret)
	Expect(err).NotTo(HaveOccurred())
	sig, err := key.Sign(nil, info.Fingerprint())
	Expect(err).NotTo(HaveOccurred())
	return []byte(text + "Sig: other-1:" + strings.Repeat("A", 86) + "==\nSig: " + sig.String() + "\n")
}

var _ = Describe("What a cache has of a closure", func() {
	var (
		store          providers.Objects
		world          *fake.World
		secret, public string
		cache          *nix.Cache
		web            = storePathOf(1, "web")
		lib            = storePathOf(2, "lib")
		libc           = storePathOf(3, "libc")
	)
	put := func(storePath string, data []byte) {
		GinkgoHelper()
		_, err := store.Put(context.Background(), narinfoKey(storePath), bytes.NewReader(data), providers.PutOptions{})
		Expect(err).NotTo(HaveOccurred())
	}
	BeforeEach(func() {
		world = fake.New()
		store = world.Store()
		var err error
		secret, public, err = nix.GenerateKey("ours-1")
		Expect(err).NotTo(HaveOccurred())
		cache, err = nix.NewCache(store, []string{public})
		Expect(err).NotTo(HaveOccurred())
		put(web, narinfoOf(secret, web, 1000, web, lib, libc))
		put(lib, narinfoOf(secret, lib, 200, libc))
		put(libc, narinfoOf(secret, libc, 30))
	})

	It("is every path once, the root first, with sizes and signers", func(ctx SpecContext) {
		closure, err := cache.Closure(ctx, web)
		Expect(err).NotTo(HaveOccurred())
		Expect(closure).To(HaveLen(3))
		Expect(closure[0].ETag).NotTo(BeEmpty())
		closure[0].ETag = ""
		Expect(closure[0]).To(Equal(nix.PathStatus{
			StorePath: web, Found: true, URL: "nar/x.nar.zst", DownloadSize: 10, NarSize: 1000,
			NarHash: "sha256:" + strings.Repeat("0", 52), References: []string{web, lib, libc},
			Signatures: []string{"other-1", "ours-1"}, TrustedBy: []string{"ours-1"},
		}))
		Expect(closure[1].StorePath).To(Equal(lib))
		Expect(closure[2].StorePath).To(Equal(libc))
		Expect(closure).To(HaveEach(HaveField("Trusted()", true)))
	})

	It("has an entry for what is missing, and for what is damaged", func(ctx SpecContext) {
		Expect(store.Delete(ctx, narinfoKey(libc))).To(Succeed())
		put(lib, []byte("<html>"))
		closure, err := cache.Closure(ctx, web)
		Expect(err).NotTo(HaveOccurred())
		Expect(closure[1].Found).To(BeTrue())
		Expect(closure[1].Problem).NotTo(BeEmpty())
		Expect(closure[2]).To(Equal(nix.PathStatus{StorePath: libc}))
		Expect(closure[1].Trusted() || closure[2].Trusted()).To(BeFalse())
	})

	It("has not what is there under another name or in the wrong place, and says what is", func(ctx SpecContext) {
		mistyped := storePathOf(1, "wbe")
		closure, err := cache.Closure(ctx, mistyped)
		Expect(err).NotTo(HaveOccurred())
		Expect(closure).To(Equal([]nix.PathStatus{{
			StorePath: mistyped, Other: web, Problem: "the cache has " + filepath.Base(web) + " with this hash",
		}}))
		put(lib, narinfoOf(secret, libc, 30))
		closure, err = cache.Closure(ctx, lib)
		Expect(err).NotTo(HaveOccurred())
		Expect(closure).To(HaveLen(1))
		Expect(closure[0].Other).To(Equal(libc))
		Expect(closure[0].Problem).To(ContainSubstring("is about"))
		Expect(closure[0].Trusted()).To(BeFalse())
	})

	It("is unknown when the store gives no answer for one path", func(ctx SpecContext) {
		world.Fail("objects.Get "+narinfoKey(libc), providers.ErrUnavailable)
		_, err := cache.Closure(ctx, web)
		Expect(err).To(MatchError(providers.ErrUnavailable))
	})

	It("does not trust a signature of another key under our name, nor a narinfo that leads out of the store", func(ctx SpecContext) {
		forged, _, err := nix.GenerateKey("ours-1")
		Expect(err).NotTo(HaveOccurred())
		put(web, narinfoOf(forged, web, 1000))
		closure, err := cache.Closure(ctx, web)
		Expect(err).NotTo(HaveOccurred())
		Expect(closure[0].Trusted()).To(BeFalse())
		put(web, bytes.Replace(narinfoOf(secret, web, 1000, lib), []byte("-lib"), []byte("-lib/../../../etc"), 1))
		closure, err = cache.Closure(ctx, web)
		Expect(err).NotTo(HaveOccurred())
		Expect(closure[0].Problem).NotTo(BeEmpty())
		Expect(closure).To(HaveLen(1))
	})

	It("is too much for a disk that it does not fit on, and Nix is not even asked to fetch", func(ctx SpecContext) {
		put(web, narinfoOf(secret, web, 1<<60, lib))
		db := &database{root: GinkgoT().TempDir(), refs: map[string][]string{}}
		db.register(pathOf("other"))
		manager, err := nix.New(nix.Options{
			Paths:   providers.Paths{StateDir: GinkgoT().TempDir(), RootsDir: filepath.Join(GinkgoT().TempDir(), "biz")},
			Objects: store, TrustedPublicKeys: []string{public}, Runner: db, Queries: db, DiskRoot: db.root,
		})
		Expect(err).NotTo(HaveOccurred())
		err = manager.Pull(ctx, web)
		Expect(providers.ReasonOf(err)).To(Equal(nix.DiskFull))
		Expect(err).To(MatchError(And(ContainSubstring("needs 1.2 EB"), MatchRegexp(`\(115292\d{13} bytes\) are missing`))))
		Expect(db.runs).To(Equal(2), "the question what is valid, and what of the closure is")
	})

	It("can be read behind HTTP, where only 404 means absent", func(ctx SpecContext) {
		status := http.StatusOK
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if status != http.StatusOK {
				w.WriteHeader(status)
				return
			}
			http.ServeContent(w, r, "", world.Clock.Now(), strings.NewReader("0123456789"))
		}))
		defer server.Close()
		objects, err := nix.OpenHTTPCache(server.URL + "/cache/")
		Expect(err).NotTo(HaveOccurred())
		obj, err := objects.Get(ctx, "nar/x", providers.GetOptions{Offset: 4})
		Expect(err).NotTo(HaveOccurred())
		defer obj.Body.Close()
		var body bytes.Buffer
		_, err = body.ReadFrom(obj.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(body.String()).To(Equal("456789"))
		Expect(obj.Size).To(BeEquivalentTo(10))
		Expect(objects.Stat(ctx, "nar/x")).To(HaveField("Size", BeEquivalentTo(10)))
		small, err := objects.Get(ctx, "nar/x", providers.GetOptions{MaxBytes: 5})
		Expect(err).NotTo(HaveOccurred())
		defer small.Body.Close()
		_, err = body.ReadFrom(small.Body)
		Expect(err).To(HaveOccurred())
		for code, reason := range map[int]string{404: "NotFound", 410: "NotFound", 403: "AccessDenied", 500: "StoreUnreachable", 302: "StoreUnreachable"} {
			status = code
			_, err = objects.Get(ctx, "nar/x", providers.GetOptions{})
			Expect(providers.ReasonOf(err)).To(Equal(reason), "%d", code)
		}
		server.Close()
		_, err = objects.Stat(ctx, "nar/x")
		Expect(err).To(MatchError(providers.ErrUnavailable))
		for _, bad := range []string{"s3://bucket", "http://", "https://cache?trusted=1", "https://user:pass@cache", "cache"} {
			_, err := nix.OpenHTTPCache(bad)
			Expect(err).To(HaveOccurred(), bad)
			Expect(err.Error()).NotTo(ContainSubstring("pass"))
		}
	})
})
