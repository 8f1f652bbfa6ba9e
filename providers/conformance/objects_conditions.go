package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

func objectsReading(at *objectPlace) {
	It("answers ErrNotModified for the current ETag only", func(ctx SpecContext) {
		s, key := at.store, at.dir+"k"
		old := writeObject(ctx, s, key, "one", providers.PutOptions{})
		_, err := s.Get(ctx, key, providers.GetOptions{IfNoneMatch: old.ETag})
		Expect(err).To(MatchError(providers.ErrNotModified))
		Expect(err).NotTo(MatchError(providers.ErrUnavailable))
		writeObject(ctx, s, key, "two", providers.PutOptions{})
		got, _ := readObject(ctx, s, key, providers.GetOptions{IfNoneMatch: old.ETag})
		Expect(got).To(Equal("two"))
		Expect(s.Delete(ctx, key)).To(Succeed())
		_, err = s.Get(ctx, key, providers.GetOptions{IfNoneMatch: old.ETag})
		Expect(err).To(MatchError(providers.ErrNotFound))
	})

	It("gives a body of MaxBytes whole, and an error for a longer one", func(ctx SpecContext) {
		s, key := at.store, at.dir+"k"
		writeObject(ctx, s, key, "0123456789", providers.PutOptions{})
		got, _ := readObject(ctx, s, key, providers.GetOptions{MaxBytes: 10})
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
		s, key := at.store, at.dir+"k"
		put := writeObject(ctx, s, key, "0123456789", providers.PutOptions{})
		got, info := readObject(ctx, s, key, providers.GetOptions{Offset: 4})
		Expect(got).To(Equal("456789"))
		Expect(info.Size).To(BeEquivalentTo(10))
		Expect(info.ETag).To(Equal(put.ETag))
		for _, offset := range []int64{10, 11, 1 << 40} {
			got, info = readObject(ctx, s, key, providers.GetOptions{Offset: offset})
			Expect(got).To(BeEmpty(), "offset %d", offset)
			Expect(info.Size).To(BeEquivalentTo(10))
		}
		got, _ = readObject(ctx, s, key, providers.GetOptions{Offset: 4, MaxBytes: 6})
		Expect(got).To(Equal("456789"))
	})

	It("carries a big object, whole and from an offset", func(ctx SpecContext) {
		s, key := at.store, at.dir+"big"
		content := bigContent()
		put, err := s.Put(ctx, key, bytes.NewReader(content), providers.PutOptions{IfAbsent: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(put.Size).To(BeEquivalentTo(len(content)))
		stat, err := s.Stat(ctx, key)
		Expect(err).NotTo(HaveOccurred())
		Expect(stat.ETag).To(Equal(put.ETag))
		_, err = s.Get(ctx, key, providers.GetOptions{IfNoneMatch: put.ETag})
		Expect(err).To(MatchError(providers.ErrNotModified))
		got, _ := readObject(ctx, s, key, providers.GetOptions{})
		Expect(sha256.Sum256([]byte(got))).To(Equal(sha256.Sum256(content)))
		offset := int64(len(content) - 1000)
		got, _ = readObject(ctx, s, key, providers.GetOptions{Offset: offset})
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
		_, err := at.store.Get(gone, at.dir+"none", providers.GetOptions{})
		Expect(err).To(MatchError(context.Canceled))
		Expect(err).NotTo(MatchError(providers.ErrNotFound))
		_, err = at.store.List(gone, at.dir)
		Expect(err).To(MatchError(context.Canceled))
	})
}

func objectsConditions(at *objectPlace) {
	It("creates only what is absent", func(ctx SpecContext) {
		s, key := at.store, at.dir+"k"
		writeObject(ctx, s, key, "first", providers.PutOptions{IfAbsent: true})
		_, err := s.Put(ctx, key, strings.NewReader("second"), providers.PutOptions{IfAbsent: true})
		Expect(err).To(MatchError(providers.ErrConflict))
		Expect(err).NotTo(MatchError(providers.ErrUnavailable))
		got, _ := readObject(ctx, s, key, providers.GetOptions{})
		Expect(got).To(Equal("first"))
		Expect(s.Delete(ctx, key)).To(Succeed())
		writeObject(ctx, s, key, "third", providers.PutOptions{IfAbsent: true})
	})

	It("replaces only the version that was read", func(ctx SpecContext) {
		s, key := at.store, at.dir+"k"
		first := writeObject(ctx, s, key, "first", providers.PutOptions{})
		second := writeObject(ctx, s, key, "second", providers.PutOptions{IfMatch: first.ETag})
		_, err := s.Put(ctx, key, strings.NewReader("late"), providers.PutOptions{IfMatch: first.ETag})
		Expect(err).To(MatchError(providers.ErrConflict))
		got, info := readObject(ctx, s, key, providers.GetOptions{})
		Expect(got).To(Equal("second"))
		Expect(info.ETag).To(Equal(second.ETag))
	})

	It("takes a vanished object for a lost race", func(ctx SpecContext) {
		s, key := at.store, at.dir+"k"
		first := writeObject(ctx, s, key, "first", providers.PutOptions{})
		Expect(s.Delete(ctx, key)).To(Succeed())
		_, err := s.Put(ctx, key, strings.NewReader("late"), providers.PutOptions{IfMatch: first.ETag})
		Expect(err).To(MatchError(providers.ErrConflict))
		_, err = s.Stat(ctx, key)
		Expect(err).To(MatchError(providers.ErrNotFound))
	})

	It("refuses two conditions that exclude each other", func(ctx SpecContext) {
		_, err := at.store.Put(ctx, at.dir+"k", strings.NewReader("x"), providers.PutOptions{IfMatch: `"x"`, IfAbsent: true})
		Expect(err).To(HaveOccurred())
		Expect(err).NotTo(MatchError(providers.ErrConflict))
	})
}

// bigContent is over twelve megabytes that do not repeat, so that swapped parts show.
func bigContent() []byte {
	content := make([]byte, 12<<20+7)
	for i := range content {
		content[i] = byte(i>>13) ^ byte(i*7)
	}
	return content
}
