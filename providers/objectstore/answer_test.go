package objectstore_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/objectstore"
)

var _ = Describe("An S3 that misleads", Ordered, ContinueOnFailure, func() {
	var (
		g     *gateway
		proxy *faultyProxy
		rest  *naps
		store providers.Objects
	)
	content := strings.Repeat(`{"manifest":"yes"}`, 1000)
	BeforeAll(func() { g = startGateway() })
	BeforeEach(func(ctx SpecContext) {
		proxy, rest = startProxy(g), &naps{}
		_, err := g.open(g.addr, "").Put(ctx, key, strings.NewReader(content), providers.PutOptions{})
		Expect(err).NotTo(HaveOccurred())
		store = g.open(proxy.addr, "", quick(rest))
	})
	get := func(ctx context.Context) error {
		_, err := fetch(ctx, store, providers.GetOptions{})
		return err
	}
	expectWhole := func(ctx context.Context) {
		GinkgoHelper()
		Expect(fetch(ctx, store, providers.GetOptions{})).To(Equal(content))
	}

	It("survives F4: a real bucket that is not there", func(ctx SpecContext) {
		gone, err := objectstore.Open(ctx, "s3://elsewhere?scheme=http&endpoint="+g.addr, objectstore.Options{CredentialsFile: g.credentials})
		Expect(err).NotTo(HaveOccurred())
		_, err = fetch(ctx, gone, providers.GetOptions{})
		expectUnclear(err, objectstore.NoSuchBucket)
		_, err = gone.Stat(ctx, key)
		expectUnclear(err, objectstore.NoSuchBucket)
		_, err = gone.List(ctx, "")
		expectUnclear(err, objectstore.NoSuchBucket)
		_, err = gone.Put(ctx, key, strings.NewReader(""), providers.PutOptions{IfAbsent: true})
		expectUnclear(err, objectstore.NoSuchBucket)
		expectUnclear(gone.Delete(ctx, key), objectstore.NoSuchBucket)
	})

	It("survives F4: a login page answers 200 to everything", func(ctx SpecContext) {
		const page = "<html><head><title>Wifi</title></head><body>log in</body></html>"
		proxy.inject(func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, page)
			return true
		})
		Expect(fetch(ctx, store, providers.GetOptions{})).To(Equal(page), "judging content is the caller's business")
		_, err := store.List(ctx, "")
		expectUnclear(err, objectstore.BadAnswer)
		_, err = store.Put(ctx, "k", strings.NewReader("x"), providers.PutOptions{})
		expectUnclear(err, objectstore.BadAnswer)
		_, err = store.Put(ctx, "k", strings.NewReader(strings.Repeat("x", 6<<20)), providers.PutOptions{})
		expectUnclear(err, objectstore.BadAnswer)
	})

	DescribeTable("survives F5: a body cut short", func(ctx SpecContext, answer string) {
		proxy.inject(raw(answer))
		expectUnclear(get(ctx), objectstore.BadAnswer)
	},
		Entry("against its length", "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: 100\r\n\r\nshort"),
		Entry("in the middle of a chunk", "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nshort"),
		Entry("before the last chunk", "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"),
		Entry("where its end cannot be told", "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nConnection: close\r\n\r\nshort"),
	)

	It("survives F5: a connection that breaks before the answer", func(ctx SpecContext) {
		proxy.inject(raw(""))
		expectUnclear(get(ctx), objectstore.StoreUnreachable)
		Expect(proxy.calls.Load()).To(BeNumerically(">=", 3))
		proxy.inject(times(1, raw("")))
		expectWhole(ctx)
	})

	It("survives F5: an endless body", func(ctx SpecContext) {
		var sent atomic.Int64
		endless := func(w http.ResponseWriter, r *http.Request) bool {
			junk := strings.Repeat("<x>", 10_000)
			for r.Context().Err() == nil {
				n, err := io.WriteString(w, junk)
				if err != nil {
					break
				}
				sent.Add(int64(n))
			}
			return true
		}
		proxy.inject(endless)
		got, err := fetch(ctx, store, providers.GetOptions{MaxBytes: 1 << 20})
		expectUnclear(err, objectstore.TooLarge)
		Expect(got).To(HaveLen(1 << 20))
		Expect(sent.Load()).To(BeNumerically("<", 64<<20))

		_, err = store.List(ctx, "")
		expectUnclear(err, objectstore.BadAnswer)
		proxy.inject(func(w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(500)
			return endless(w, r)
		})
		Expect(get(ctx)).To(MatchError(providers.ErrUnavailable))
	})

	It("refuses a range that was ignored", func(ctx SpecContext) {
		proxy.inject(func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, "from the start")
			return true
		})
		_, err := store.Get(ctx, key, providers.GetOptions{Offset: 5})
		expectUnclear(err, objectstore.BadAnswer)
	})

	It("does not repeat a conditional write whose answer got lost", func(ctx SpecContext) {
		info, err := store.Stat(ctx, key)
		Expect(err).NotTo(HaveOccurred())
		proxy.inject(func(w http.ResponseWriter, r *http.Request) bool {
			// The server writes; its answer never arrives.
			req := r.Clone(r.Context())
			req.URL.Scheme, req.URL.Host, req.RequestURI = "http", g.addr, ""
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			return status(500, "InternalError")(w, r)
		})
		_, err = store.Put(ctx, key, strings.NewReader("mine"), providers.PutOptions{IfMatch: info.ETag})
		expectUnclear(err, objectstore.ServerError)
		Expect(proxy.calls.Load()).To(BeEquivalentTo(1))
		proxy.inject(nil)
		Expect(fetch(ctx, store, providers.GetOptions{})).To(Equal("mine"))
	})

	It("repeats a conditional write that was turned away", func(ctx SpecContext) {
		proxy.inject(times(2, status(503, "SlowDown")))
		_, err := store.Put(ctx, "created", strings.NewReader("x"), providers.PutOptions{IfAbsent: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(store.Delete(ctx, "created")).To(Succeed())
	})

	It("sends a failed part again, and leaves nothing when it has to give up", func(ctx SpecContext) {
		big := strings.Repeat("0123456789", 1<<20)
		isPart := func(r *http.Request) bool { return r.URL.Query().Has("partNumber") }
		once := times(1, drained(status(500, "InternalError")))
		proxy.inject(func(w http.ResponseWriter, r *http.Request) bool { return isPart(r) && once(w, r) })
		_, err := store.Put(ctx, "big", strings.NewReader(big), providers.PutOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(store.Delete(ctx, "big")).To(Succeed())

		var aborted atomic.Bool
		proxy.inject(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodDelete && r.URL.Query().Has("uploadId") {
				aborted.Store(true)
			}
			return isPart(r) && drained(status(500, "InternalError"))(w, r)
		})
		_, err = store.Put(ctx, "big", strings.NewReader(big), providers.PutOptions{})
		expectUnclear(err, objectstore.ServerError)
		Expect(aborted.Load()).To(BeTrue())
		_, err = store.Stat(ctx, "big")
		Expect(err).To(MatchError(providers.ErrNotFound))
	})

	It("blames no store when what is to be written cannot be read", func(ctx SpecContext) {
		file := strings.NewReader("0123456789")
		for _, s := range []providers.Objects{store, openDirectory(GinkgoT().TempDir(), objectstore.Options{})} {
			_, err := s.Put(ctx, "k", unreadable{file}, providers.PutOptions{})
			Expect(err).To(MatchError(errBadDisk))
			Expect(err).NotTo(MatchError(providers.ErrUnavailable))
			_, err = s.Stat(ctx, "k")
			Expect(err).To(MatchError(providers.ErrNotFound))
		}
	})
})

var errBadDisk = errors.New("bad disk")

// unreadable can be measured and not read.
type unreadable struct{ io.Seeker }

func (unreadable) Read([]byte) (int, error) { return 0, errBadDisk }
