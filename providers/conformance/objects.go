// Package conformance holds the specs that every implementation of an interface of
// package providers must pass, the fake and the real one alike. A spec that only one of
// them passes is a lie in the tests of the controllers.
package conformance

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

const writers = 8

// Objects registers the specs of providers.Objects. Call it inside a container. open gives
// a handle on the store; each call may give another handle on the same store, or the same
// one. The store may hold other objects: every spec works below a prefix of its own.
func Objects(open func() providers.Objects) {
	var (
		store providers.Objects
		dir   string
	)
	BeforeEach(func() {
		store = open()
		dir = "spec-" + strings.ToLower(rand.Text()) + "/"
	})
	AfterEach(func(ctx SpecContext) {
		left, err := store.List(ctx, dir)
		Expect(err).NotTo(HaveOccurred())
		for _, o := range left {
			Expect(store.Delete(ctx, o.Key)).To(Succeed())
		}
	})

	It("gives back what was written, with one ETag from Put, Get, Stat and List", func(ctx SpecContext) {
		put := write(ctx, store, dir+"a.json", "hello", providers.PutOptions{ContentType: "application/json"})
		Expect(put.Key).To(Equal(dir + "a.json"))
		Expect(put.ETag).NotTo(BeEmpty())
		Expect(put.Size).To(BeEquivalentTo(5))

		got, info := read(ctx, store, dir+"a.json", providers.GetOptions{})
		Expect(got).To(Equal("hello"))
		Expect(info.ETag).To(Equal(put.ETag))
		Expect(info.Key).To(Equal(dir + "a.json"))
		Expect(info.Size).To(BeEquivalentTo(5))
		Expect(info.ModifiedAt).NotTo(BeZero())

		stat, err := store.Stat(ctx, dir+"a.json")
		Expect(err).NotTo(HaveOccurred())
		Expect(stat.ETag).To(Equal(put.ETag))
		Expect(stat.Size).To(BeEquivalentTo(5))

		list, err := store.List(ctx, dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(list).To(HaveLen(1))
		Expect(list[0].Key).To(Equal(dir + "a.json"))
		Expect(list[0].ETag).To(Equal(put.ETag))
		Expect(list[0].Size).To(BeEquivalentTo(5))
		Expect(list[0].ModifiedAt).NotTo(BeZero())
	})

	It("says that a missing object is certainly absent", func(ctx SpecContext) {
		_, err := store.Get(ctx, dir+"none", providers.GetOptions{})
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(err).NotTo(MatchError(providers.ErrUnavailable))
		_, err = store.Stat(ctx, dir+"none")
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(err).NotTo(MatchError(providers.ErrUnavailable))
	})

	It("says that a prefix of keys is no object", func(ctx SpecContext) {
		write(ctx, store, dir+"a/b", "x", providers.PutOptions{})
		_, err := store.Get(ctx, dir+"a", providers.GetOptions{})
		Expect(err).To(MatchError(providers.ErrNotFound))
		_, err = store.Stat(ctx, dir+"a")
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(store.Delete(ctx, dir+"a")).To(Succeed())
		got, _ := read(ctx, store, dir+"a/b", providers.GetOptions{})
		Expect(got).To(Equal("x"))
	})

	It("replaces an object and gives it another ETag", func(ctx SpecContext) {
		first := write(ctx, store, dir+"k", "one", providers.PutOptions{})
		second := write(ctx, store, dir+"k", "two", providers.PutOptions{})
		Expect(second.ETag).NotTo(Equal(first.ETag))
		got, _ := read(ctx, store, dir+"k", providers.GetOptions{})
		Expect(got).To(Equal("two"))
	})

	It("holds an empty object", func(ctx SpecContext) {
		put := write(ctx, store, dir+"empty", "", providers.PutOptions{})
		got, info := read(ctx, store, dir+"empty", providers.GetOptions{MaxBytes: 1})
		Expect(got).To(BeEmpty())
		Expect(info.Size).To(BeZero())
		Expect(info.ETag).To(Equal(put.ETag))
	})

	It("writes from the body's present position to its end", func(ctx SpecContext) {
		body := strings.NewReader("skipped-kept")
		_, err := body.Seek(8, io.SeekStart)
		Expect(err).NotTo(HaveOccurred())
		info, err := store.Put(ctx, dir+"k", body, providers.PutOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Size).To(BeEquivalentTo(4))
		got, _ := read(ctx, store, dir+"k", providers.GetOptions{})
		Expect(got).To(Equal("kept"))
	})

	It("deletes, and takes deleting what is absent for done", func(ctx SpecContext) {
		write(ctx, store, dir+"k", "x", providers.PutOptions{})
		Expect(store.Delete(ctx, dir+"k")).To(Succeed())
		_, err := store.Stat(ctx, dir+"k")
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(store.Delete(ctx, dir+"k")).To(Succeed())
		Expect(store.List(ctx, dir)).To(BeEmpty())
	})

	It("lists what begins with a prefix, sorted by key, and nothing else", func(ctx SpecContext) {
		for _, k := range []string{"m/b", "m/a", "m/c/d", "ma", "n/a"} {
			write(ctx, store, dir+k, k, providers.PutOptions{})
		}
		Expect(keys(ctx, store, dir, "m")).To(Equal([]string{"m/a", "m/b", "m/c/d", "ma"}))
		Expect(keys(ctx, store, dir, "m/")).To(Equal([]string{"m/a", "m/b", "m/c/d"}))
		Expect(keys(ctx, store, dir, "m/c/d")).To(Equal([]string{"m/c/d"}))
		Expect(keys(ctx, store, dir, "m/c/")).To(Equal([]string{"m/c/d"}))
		Expect(keys(ctx, store, dir, "zzz/")).To(BeEmpty())
		Expect(keys(ctx, store, dir, "")).To(HaveLen(5))
	})

	DescribeTable("takes odd keys", func(ctx SpecContext, key string) {
		write(ctx, store, dir+key, key, providers.PutOptions{})
		got, _ := read(ctx, store, dir+key, providers.GetOptions{})
		Expect(got).To(Equal(key))
		Expect(keys(ctx, store, dir, "")).To(Equal([]string{key}))
		Expect(store.Delete(ctx, dir+key)).To(Succeed())
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
		_, err := store.Put(ctx, key, strings.NewReader("x"), providers.PutOptions{})
		Expect(err).To(HaveOccurred())
		_, err = store.Get(ctx, key, providers.GetOptions{})
		Expect(err).To(HaveOccurred())
		Expect(err).NotTo(MatchError(providers.ErrNotFound))
		_, err = store.Stat(ctx, key)
		Expect(err).To(HaveOccurred())
		Expect(err).NotTo(MatchError(providers.ErrNotFound))
		Expect(store.Delete(ctx, key)).NotTo(Succeed())
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

	objectsReading(&store, &dir)
	objectsConditions(&store, &dir)
	objectsRaces(open, &dir)
}

func objectsReading(store *providers.Objects, dir *string) {
	It("answers ErrNotModified for the current ETag only", func(ctx SpecContext) {
		s, key := *store, *dir+"k"
		old := write(ctx, s, key, "one", providers.PutOptions{})
		_, err := s.Get(ctx, key, providers.GetOptions{IfNoneMatch: old.ETag})
		Expect(err).To(MatchError(providers.ErrNotModified))
		Expect(err).NotTo(MatchError(providers.ErrUnavailable))
		write(ctx, s, key, "two", providers.PutOptions{})
		got, _ := read(ctx, s, key, providers.GetOptions{IfNoneMatch: old.ETag})
		Expect(got).To(Equal("two"))
		Expect(s.Delete(ctx, key)).To(Succeed())
		_, err = s.Get(ctx, key, providers.GetOptions{IfNoneMatch: old.ETag})
		Expect(err).To(MatchError(providers.ErrNotFound))
	})

	It("gives a body of MaxBytes whole, and an error for a longer one", func(ctx SpecContext) {
		s, key := *store, *dir+"k"
		write(ctx, s, key, "0123456789", providers.PutOptions{})
		got, _ := read(ctx, s, key, providers.GetOptions{MaxBytes: 10})
		Expect(got).To(Equal("0123456789"))

		obj, err := s.Get(ctx, key, providers.GetOptions{MaxBytes: 9})
		if err == nil {
			var b []byte
			b, err = io.ReadAll(obj.Body)
			Expect(len(b)).To(BeNumerically("<=", 9))
			Expect(obj.Body.Close()).To(Succeed())
		}
		Expect(err).To(HaveOccurred())
		Expect(err).NotTo(MatchError(providers.ErrNotFound))
	})

	It("reads from an offset and still tells the whole size", func(ctx SpecContext) {
		s, key := *store, *dir+"k"
		put := write(ctx, s, key, "0123456789", providers.PutOptions{})
		got, info := read(ctx, s, key, providers.GetOptions{Offset: 4})
		Expect(got).To(Equal("456789"))
		Expect(info.Size).To(BeEquivalentTo(10))
		Expect(info.ETag).To(Equal(put.ETag))
		for _, offset := range []int64{10, 11, 1 << 40} {
			got, info = read(ctx, s, key, providers.GetOptions{Offset: offset})
			Expect(got).To(BeEmpty(), "offset %d", offset)
			Expect(info.Size).To(BeEquivalentTo(10))
		}
		got, _ = read(ctx, s, key, providers.GetOptions{Offset: 4, MaxBytes: 6})
		Expect(got).To(Equal("456789"))
	})

	It("carries a big object, whole and from an offset", func(ctx SpecContext) {
		s, key := *store, *dir+"big"
		content := bigContent()
		put, err := s.Put(ctx, key, bytes.NewReader(content), providers.PutOptions{IfAbsent: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(put.Size).To(BeEquivalentTo(len(content)))
		stat, err := s.Stat(ctx, key)
		Expect(err).NotTo(HaveOccurred())
		Expect(stat.ETag).To(Equal(put.ETag))
		_, err = s.Get(ctx, key, providers.GetOptions{IfNoneMatch: put.ETag})
		Expect(err).To(MatchError(providers.ErrNotModified))
		got, _ := read(ctx, s, key, providers.GetOptions{})
		Expect(sha256.Sum256([]byte(got))).To(Equal(sha256.Sum256(content)))
		offset := int64(len(content) - 1000)
		got, _ = read(ctx, s, key, providers.GetOptions{Offset: offset})
		Expect(got == string(content[offset:])).To(BeTrue())

		_, err = s.Put(ctx, key, bytes.NewReader(content), providers.PutOptions{IfAbsent: true})
		Expect(err).To(MatchError(providers.ErrConflict))
		_, err = s.Put(ctx, key, bytes.NewReader(content), providers.PutOptions{IfMatch: `"0123456789abcdef0123456789abcdef"`})
		Expect(err).To(MatchError(providers.ErrConflict))
		_, err = s.Put(ctx, key, bytes.NewReader(content[1:]), providers.PutOptions{IfMatch: put.ETag})
		Expect(err).NotTo(HaveOccurred())
	})

	It("takes a cancelled call for no answer at all", func(ctx SpecContext) {
		gone, cancel := context.WithCancel(ctx)
		cancel()
		_, err := (*store).Get(gone, *dir+"none", providers.GetOptions{})
		Expect(err).To(MatchError(context.Canceled))
		Expect(err).NotTo(MatchError(providers.ErrNotFound))
		_, err = (*store).List(gone, *dir)
		Expect(err).To(MatchError(context.Canceled))
	})
}

func objectsConditions(store *providers.Objects, dir *string) {
	It("creates only what is absent", func(ctx SpecContext) {
		s, key := *store, *dir+"k"
		write(ctx, s, key, "first", providers.PutOptions{IfAbsent: true})
		_, err := s.Put(ctx, key, strings.NewReader("second"), providers.PutOptions{IfAbsent: true})
		Expect(err).To(MatchError(providers.ErrConflict))
		Expect(err).NotTo(MatchError(providers.ErrUnavailable))
		got, _ := read(ctx, s, key, providers.GetOptions{})
		Expect(got).To(Equal("first"))
		Expect(s.Delete(ctx, key)).To(Succeed())
		write(ctx, s, key, "third", providers.PutOptions{IfAbsent: true})
	})

	It("replaces only the version that was read", func(ctx SpecContext) {
		s, key := *store, *dir+"k"
		first := write(ctx, s, key, "first", providers.PutOptions{})
		second := write(ctx, s, key, "second", providers.PutOptions{IfMatch: first.ETag})
		_, err := s.Put(ctx, key, strings.NewReader("late"), providers.PutOptions{IfMatch: first.ETag})
		Expect(err).To(MatchError(providers.ErrConflict))
		got, info := read(ctx, s, key, providers.GetOptions{})
		Expect(got).To(Equal("second"))
		Expect(info.ETag).To(Equal(second.ETag))
	})

	It("takes a vanished object for a lost race", func(ctx SpecContext) {
		s, key := *store, *dir+"k"
		first := write(ctx, s, key, "first", providers.PutOptions{})
		Expect(s.Delete(ctx, key)).To(Succeed())
		_, err := s.Put(ctx, key, strings.NewReader("late"), providers.PutOptions{IfMatch: first.ETag})
		Expect(err).To(MatchError(providers.ErrConflict))
		_, err = s.Stat(ctx, key)
		Expect(err).To(MatchError(providers.ErrNotFound))
	})

	It("refuses two conditions that exclude each other", func(ctx SpecContext) {
		_, err := (*store).Put(ctx, *dir+"k", strings.NewReader("x"), providers.PutOptions{IfMatch: `"x"`, IfAbsent: true})
		Expect(err).To(HaveOccurred())
		Expect(err).NotTo(MatchError(providers.ErrConflict))
	})
}

func objectsRaces(open func() providers.Objects, dir *string) {
	It("lets exactly one of eight writers win each round", func(ctx SpecContext) {
		stores := make([]providers.Objects, writers)
		for i := range stores {
			stores[i] = open()
		}
		key := *dir + "raced"
		condition := providers.PutOptions{IfAbsent: true}
		for round := range 10 {
			errs := make([]error, writers)
			infos := make([]providers.ObjectInfo, writers)
			together(func(i int) {
				infos[i], errs[i] = stores[i].Put(ctx, key, strings.NewReader(fmt.Sprintf("%d by %d", round, i)), condition)
			})
			winner := -1
			for i, err := range errs {
				if err == nil {
					Expect(winner).To(Equal(-1), "round %d: %d and %d both won", round, winner, i)
					winner = i
					continue
				}
				Expect(err).To(MatchError(providers.ErrConflict), "round %d, writer %d", round, i)
			}
			Expect(winner).NotTo(Equal(-1), "round %d: nobody won", round)
			got, info := read(ctx, stores[0], key, providers.GetOptions{})
			Expect(got).To(Equal(fmt.Sprintf("%d by %d", round, winner)))
			Expect(info.ETag).To(Equal(infos[winner].ETag))
			condition = providers.PutOptions{IfMatch: info.ETag}
		}
	})

	It("loses no update of eight writers who read, edit and write", func(ctx SpecContext) {
		const each = 5
		key := *dir + "counter"
		write(ctx, open(), key, "0", providers.PutOptions{})
		errs := make([]error, writers)
		together(func(i int) {
			s := open()
			for range each {
				if errs[i] = increment(ctx, s, key); errs[i] != nil {
					return
				}
			}
		})
		Expect(errors.Join(errs...)).NotTo(HaveOccurred())
		got, _ := read(ctx, open(), key, providers.GetOptions{})
		Expect(got).To(Equal(strconv.Itoa(writers * each)))
	})

	It("never shows half an object to a reader", func(ctx SpecContext) {
		key := *dir + "swapped"
		short, long := strings.Repeat("s", 10), strings.Repeat("l", 300_000)
		write(ctx, open(), key, short, providers.PutOptions{})
		var errs [2]error
		var wg sync.WaitGroup
		wg.Go(func() {
			s := open()
			for i := range 30 {
				body := long
				if i%2 == 1 {
					body = short
				}
				if _, errs[0] = s.Put(ctx, key, strings.NewReader(body), providers.PutOptions{}); errs[0] != nil {
					return
				}
			}
		})
		wg.Go(func() {
			s := open()
			for range 60 {
				got, _, err := fetch(ctx, s, key, providers.GetOptions{})
				if err != nil || (got != short && got != long) {
					errs[1] = fmt.Errorf("%d bytes: %w", len(got), errors.Join(err, errors.New("neither the one nor the other")))
					return
				}
			}
		})
		wg.Wait()
		Expect(errors.Join(errs[:]...)).NotTo(HaveOccurred())
	})
}

// together runs f for every writer at once.
func together(f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range writers {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func increment(ctx context.Context, s providers.Objects, key string) error {
	for {
		got, info, err := fetch(ctx, s, key, providers.GetOptions{})
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(got)
		if err != nil {
			return err
		}
		_, err = s.Put(ctx, key, strings.NewReader(strconv.Itoa(n+1)), providers.PutOptions{IfMatch: info.ETag})
		if !errors.Is(err, providers.ErrConflict) {
			return err
		}
	}
}

func write(ctx context.Context, s providers.Objects, key, content string, o providers.PutOptions) providers.ObjectInfo {
	GinkgoHelper()
	info, err := s.Put(ctx, key, strings.NewReader(content), o)
	Expect(err).NotTo(HaveOccurred())
	return info
}

func read(ctx context.Context, s providers.Objects, key string, o providers.GetOptions) (string, providers.ObjectInfo) {
	GinkgoHelper()
	content, info, err := fetch(ctx, s, key, o)
	Expect(err).NotTo(HaveOccurred())
	return content, info
}

// fetch is read for goroutines, where an assertion must not fail.
func fetch(ctx context.Context, s providers.Objects, key string, o providers.GetOptions) (string, providers.ObjectInfo, error) {
	obj, err := s.Get(ctx, key, o)
	if err != nil {
		return "", providers.ObjectInfo{}, err
	}
	content, err := io.ReadAll(obj.Body)
	return string(content), obj.ObjectInfo, errors.Join(err, obj.Body.Close())
}

func keys(ctx context.Context, s providers.Objects, dir, prefix string) []string {
	GinkgoHelper()
	list, err := s.List(ctx, dir+prefix)
	Expect(err).NotTo(HaveOccurred())
	var names []string
	for _, o := range list {
		names = append(names, strings.TrimPrefix(o.Key, dir))
	}
	return names
}

// bigContent is over twelve megabytes that do not repeat, so that swapped parts show.
func bigContent() []byte {
	content := make([]byte, 12<<20+7)
	for i := range content {
		content[i] = byte(i>>13) ^ byte(i*7)
	}
	return content
}
