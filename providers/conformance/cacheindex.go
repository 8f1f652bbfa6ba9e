package conformance

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

// goodNarinfo is one as Nix writes it.
const goodNarinfo = `StorePath: /nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-1.2
URL: nar/1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3.nar.zst
Compression: zstd
FileHash: sha256:1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3
FileSize: 214
NarHash: sha256:1impfw8zdgisxkghq9a3q7cn7jb9zyzgxdydiamp8z2nlyyl0h5h
NarSize: 464152
References: 0123456789abcdfghijklmnpqrsvwxyz-web-1.2 1123456789abcdfghijklmnpqrsvwxyz-lib 2123456789abcdfghijklmnpqrsvwxyz-glibc-2.41
Deriver: 3123456789abcdfghijklmnpqrsvwxyz-web-1.2.drv
Sig: acme-1:GrGV/Ls10TzoOaCnrcAqmPbKXFLLSBDeGNh5EQGKyuGA4K1wv1LcRVb6/sU+NAPK8lDiam8XcdJzUngmdhfTBQ==
`

// CacheIndex registers the specs of providers.CacheIndex. open gives an index and the
// store, empty, that it reads.
func CacheIndex(open func() (providers.CacheIndex, providers.Objects)) {
	const webKey = "0123456789abcdfghijklmnpqrsvwxyz.narinfo"
	var (
		index providers.CacheIndex
		store providers.Objects
	)
	BeforeEach(func() { index, store = open() })

	It("reads what a path needs, but for itself, and where its content is", func(ctx SpecContext) {
		writeObject(ctx, store, webKey, goodNarinfo, providers.PutOptions{})
		entry, err := index.Entry(ctx, webKey)
		Expect(err).NotTo(HaveOccurred())
		Expect(entry).To(Equal(providers.CacheEntry{
			StorePath: "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-1.2",
			Content:   "nar/1w1fff338fvdw53sqgamddn1b2xgds473pv6y13gizdbqjv4i5p3.nar.zst",
			Needs:     []string{"1123456789abcdfghijklmnpqrsvwxyz.narinfo", "2123456789abcdfghijklmnpqrsvwxyz.narinfo"},
		}))
		Expect(index.Key(entry.StorePath)).To(Equal(webKey))
	})

	It("says that what is not there is certainly absent", func(ctx SpecContext) {
		_, err := index.Entry(ctx, webKey)
		Expect(err).To(MatchError(providers.ErrNotFound))
	})

	DescribeTable("says what is wrong, and believes nothing of it", func(ctx SpecContext, key, content string) {
		writeObject(ctx, store, key, content, providers.PutOptions{})
		entry, err := index.Entry(ctx, key)
		Expect(err).NotTo(HaveOccurred())
		Expect(entry.Problem).To(ContainSubstring(key))
		entry.Problem = ""
		Expect(entry).To(BeZero())
	},
		Entry("no narinfo", webKey, "<html>"),
		Entry("an empty one", webKey, ""),
		Entry("one without content", webKey, strings.Replace(goodNarinfo, "URL: ", "LRU: ", 1)),
		Entry("that of another path", "9123456789abcdfghijklmnpqrsvwxyz.narinfo", goodNarinfo),
	)

	DescribeTable("has no key for what is no store path", func(path string) { Expect(index.Key(path)).To(BeEmpty()) },
		Entry(nil, "/nix/store/placeholder"),
		Entry(nil, "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web/bin"),
		Entry(nil, "/tmp/0123456789abcdfghijklmnpqrsvwxyz-web"),
		Entry(nil, ""),
	)
}
