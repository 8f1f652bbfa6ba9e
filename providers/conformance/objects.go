// Package conformance holds the specs that every implementation of an interface of
// package providers must pass, the fake and the real one alike. A spec that only one of
// them passes is a lie in the tests of the controllers.
package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

// objectPlace is where a spec works: a store, and a prefix of its own in it.
type objectPlace struct {
	store providers.Objects
	dir   string
}

// Objects registers the specs of providers.Objects. Call it inside a container. open gives
// a handle on the store; each call may give another handle on the same store, or the same
// one. The store may hold other objects: every spec works below a prefix of its own.
func Objects(open func() providers.Objects) {
	at := &objectPlace{}
	BeforeEach(func() {
		at.store = open()
		at.dir = "spec-" + strings.ToLower(rand.Text()) + "/"
	})
	AfterEach(func(ctx SpecContext) {
		left, err := at.store.List(ctx, at.dir)
		Expect(err).NotTo(HaveOccurred())
		for _, o := range left {
			Expect(at.store.Delete(ctx, o.Key)).To(Succeed())
		}
	})

	objectsBasics(at)
	objectsKeys(at)
	objectsReading(at)
	objectsConditions(at)
	objectsRaces(open, at)
}

func objectsBasics(at *objectPlace) {
	It("gives back what was written, with one ETag from Put, Get, Stat and List", func(ctx SpecContext) {
		put := writeObject(ctx, at.store, at.dir+"a.json", "hello", providers.PutOptions{ContentType: "application/json"})
		Expect(put.Key).To(Equal(at.dir + "a.json"))
		Expect(put.ETag).NotTo(BeEmpty())
		Expect(put.Size).To(BeEquivalentTo(5))

		got, info := readObject(ctx, at.store, at.dir+"a.json", providers.GetOptions{})
		Expect(got).To(Equal("hello"))
		Expect(info.ETag).To(Equal(put.ETag))
		Expect(info.Key).To(Equal(at.dir + "a.json"))
		Expect(info.Size).To(BeEquivalentTo(5))
		Expect(info.ModifiedAt).NotTo(BeZero())

		stat, err := at.store.Stat(ctx, at.dir+"a.json")
		Expect(err).NotTo(HaveOccurred())
		Expect(stat.ETag).To(Equal(put.ETag))
		Expect(stat.Size).To(BeEquivalentTo(5))

		list, err := at.store.List(ctx, at.dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(list).To(HaveLen(1))
		Expect(list[0].Key).To(Equal(at.dir + "a.json"))
		Expect(list[0].ETag).To(Equal(put.ETag))
		Expect(list[0].Size).To(BeEquivalentTo(5))
		Expect(list[0].ModifiedAt).NotTo(BeZero())
	})

	It("says that a missing object is certainly absent", func(ctx SpecContext) {
		_, err := at.store.Get(ctx, at.dir+"none", providers.GetOptions{})
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(err).NotTo(MatchError(providers.ErrUnavailable))
		_, err = at.store.Stat(ctx, at.dir+"none")
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(err).NotTo(MatchError(providers.ErrUnavailable))
	})

	It("says that a prefix of keys is no object", func(ctx SpecContext) {
		writeObject(ctx, at.store, at.dir+"a/b", "x", providers.PutOptions{})
		_, err := at.store.Get(ctx, at.dir+"a", providers.GetOptions{})
		Expect(err).To(MatchError(providers.ErrNotFound))
		_, err = at.store.Stat(ctx, at.dir+"a")
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(at.store.Delete(ctx, at.dir+"a")).To(Succeed())
		got, _ := readObject(ctx, at.store, at.dir+"a/b", providers.GetOptions{})
		Expect(got).To(Equal("x"))
	})

	It("replaces an object and gives it another ETag", func(ctx SpecContext) {
		first := writeObject(ctx, at.store, at.dir+"k", "one", providers.PutOptions{})
		second := writeObject(ctx, at.store, at.dir+"k", "two", providers.PutOptions{})
		Expect(second.ETag).NotTo(Equal(first.ETag))
		got, _ := readObject(ctx, at.store, at.dir+"k", providers.GetOptions{})
		Expect(got).To(Equal("two"))
	})

	It("holds an empty object", func(ctx SpecContext) {
		put := writeObject(ctx, at.store, at.dir+"empty", "", providers.PutOptions{})
		got, info := readObject(ctx, at.store, at.dir+"empty", providers.GetOptions{MaxBytes: 1})
		Expect(got).To(BeEmpty())
		Expect(info.Size).To(BeZero())
		Expect(info.ETag).To(Equal(put.ETag))
	})

	It("writes from the body's present position to its end", func(ctx SpecContext) {
		body := strings.NewReader("skipped-kept")
		_, err := body.Seek(8, io.SeekStart)
		Expect(err).NotTo(HaveOccurred())
		info, err := at.store.Put(ctx, at.dir+"k", body, providers.PutOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Size).To(BeEquivalentTo(4))
		got, _ := readObject(ctx, at.store, at.dir+"k", providers.GetOptions{})
		Expect(got).To(Equal("kept"))
	})

	DescribeTable("tells of every byte that it sends, once", func(ctx SpecContext, content []byte) {
		var sent atomic.Int64
		_, err := at.store.Put(ctx, at.dir+"k", bytes.NewReader(content), providers.PutOptions{Sent: func(n int64) { sent.Add(n) }})
		Expect(err).NotTo(HaveOccurred())
		Expect(sent.Load()).To(BeEquivalentTo(len(content)))
	},
		Entry("of a small body", []byte("hello")),
		Entry("of an empty one", []byte{}),
		Entry("of a big one", bigContent()),
	)

	objectsListing(at)
}

func objectsListing(at *objectPlace) {
	It("deletes, and takes deleting what is absent for done", func(ctx SpecContext) {
		writeObject(ctx, at.store, at.dir+"k", "x", providers.PutOptions{})
		Expect(at.store.Delete(ctx, at.dir+"k")).To(Succeed())
		_, err := at.store.Stat(ctx, at.dir+"k")
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(at.store.Delete(ctx, at.dir+"k")).To(Succeed())
		Expect(at.store.List(ctx, at.dir)).To(BeEmpty())
	})

	It("lists what begins with a prefix, sorted by key, and nothing else", func(ctx SpecContext) {
		for _, k := range []string{"m/b", "m/a", "m/c/d", "ma", "n/a"} {
			writeObject(ctx, at.store, at.dir+k, k, providers.PutOptions{})
		}
		Expect(objectKeys(ctx, at.store, at.dir, "m")).To(Equal([]string{"m/a", "m/b", "m/c/d", "ma"}))
		Expect(objectKeys(ctx, at.store, at.dir, "m/")).To(Equal([]string{"m/a", "m/b", "m/c/d"}))
		Expect(objectKeys(ctx, at.store, at.dir, "m/c/d")).To(Equal([]string{"m/c/d"}))
		Expect(objectKeys(ctx, at.store, at.dir, "m/c/")).To(Equal([]string{"m/c/d"}))
		Expect(objectKeys(ctx, at.store, at.dir, "zzz/")).To(BeEmpty())
		Expect(objectKeys(ctx, at.store, at.dir, "")).To(HaveLen(5))
	})
}

func objectsKeys(at *objectPlace) {
	DescribeTable("takes odd keys", func(ctx SpecContext, key string) {
		writeObject(ctx, at.store, at.dir+key, key, providers.PutOptions{})
		got, _ := readObject(ctx, at.store, at.dir+key, providers.GetOptions{})
		Expect(got).To(Equal(key))
		Expect(objectKeys(ctx, at.store, at.dir, "")).To(Equal([]string{key}))
		Expect(at.store.Delete(ctx, at.dir+key)).To(Succeed())
	},
		Entry("with spaces and a plus", "a b+c"),
		Entry("with percent signs", "100%/%2e%2e/x"),
		Entry("with markup", `<a>&"'</a>x`),
		Entry("with query marks", "a?b=c&d#e;f"),
		Entry("with umlauts", "größe/日本"),
		Entry("hidden", ".hidden"),
		Entry("with dots", "a..b/...c"),
		Entry("with what an archive has", "manifests/manifest-2026-01-02T03:04:05Z.json"),
		Entry("with what a cache has", "nar/0sg9k~!@$()*,_-=.nar.zst"),
		Entry("with a backslash", `a\b`),
		Entry("long", strings.Repeat("k", 200)+"/"+strings.Repeat("l", 200)),
	)

	DescribeTable("refuses keys that are none", func(ctx SpecContext, key string) {
		_, err := at.store.Put(ctx, key, strings.NewReader("x"), providers.PutOptions{})
		Expect(err).To(HaveOccurred())
		_, err = at.store.Get(ctx, key, providers.GetOptions{})
		Expect(err).To(HaveOccurred())
		Expect(err).NotTo(MatchError(providers.ErrNotFound))
		_, err = at.store.Stat(ctx, key)
		Expect(err).To(HaveOccurred())
		Expect(err).NotTo(MatchError(providers.ErrNotFound))
		Expect(at.store.Delete(ctx, key)).NotTo(Succeed())
	},
		Entry("empty", ""),
		Entry("absolute", "/etc/passwd"),
		Entry("upwards", "../x"),
		Entry("upwards in the middle", "a/../../x"),
		Entry("a dot", "a/./b"),
		Entry("an empty segment", "a//b"),
		Entry("a slash at the end", "a/"),
		Entry("NUL", "a\x00b"),
		Entry("a line break", "a\nb"),
		Entry("not UTF-8", "a\xffb"),
		Entry("too long", strings.Repeat("k/", 600)+"k"),
	)
}

func writeObject(ctx context.Context, s providers.Objects, key, content string, o providers.PutOptions) providers.ObjectInfo {
	GinkgoHelper()
	info, err := s.Put(ctx, key, strings.NewReader(content), o)
	Expect(err).NotTo(HaveOccurred())
	return info
}

func readObject(ctx context.Context, s providers.Objects, key string, o providers.GetOptions) (string, providers.ObjectInfo) {
	GinkgoHelper()
	content, info, err := fetchObject(ctx, s, key, o)
	Expect(err).NotTo(HaveOccurred())
	return content, info
}

// fetchObject is readObject for goroutines, where an assertion must not fail.
func fetchObject(ctx context.Context, s providers.Objects, key string, o providers.GetOptions) (string, providers.ObjectInfo, error) {
	obj, err := s.Get(ctx, key, o)
	if err != nil {
		return "", providers.ObjectInfo{}, err
	}
	content, err := io.ReadAll(obj.Body)
	return string(content), obj.ObjectInfo, errors.Join(err, obj.Body.Close())
}

func objectKeys(ctx context.Context, s providers.Objects, dir, prefix string) []string {
	GinkgoHelper()
	list, err := s.List(ctx, dir+prefix)
	Expect(err).NotTo(HaveOccurred())
	var names []string
	for _, o := range list {
		names = append(names, strings.TrimPrefix(o.Key, dir))
	}
	return names
}
