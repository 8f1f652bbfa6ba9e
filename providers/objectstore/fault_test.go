package objectstore_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/objectstore"
)

const key = "manifest.json"

var _ = Describe("A faulty S3", Ordered, ContinueOnFailure, func() {
	var (
		g     *gateway
		proxy *faultyProxy
		rest  *naps
		store providers.Objects
	)
	content := strings.Repeat(`{"manifest":"yes"}`, 1000)
	BeforeAll(func(ctx SpecContext) { g = startGateway(ctx) })
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

	It("survives F1: nothing listens", func(ctx SpecContext) {
		dead := g.open(freeAddress(), "", quick(rest))
		_, err := fetch(ctx, dead, providers.GetOptions{})
		Expect(expectUnclear(err, objectstore.StoreUnreachable).Error()).To(ContainSubstring("nothing listens at 127.0.0.1"))
		Expect(rest.taken).To(Equal([]time.Duration{200 * time.Millisecond, 600 * time.Millisecond}))
		_, err = dead.List(ctx, "")
		expectUnclear(err, objectstore.StoreUnreachable)
		_, err = dead.Stat(ctx, key)
		expectUnclear(err, objectstore.StoreUnreachable)
		expectUnclear(dead.Delete(ctx, key), objectstore.StoreUnreachable)
		_, err = dead.Put(ctx, key, strings.NewReader(""), providers.PutOptions{IfAbsent: true})
		expectUnclear(err, objectstore.StoreUnreachable)
	})

	It("survives F1: the name does not resolve", func(ctx SpecContext) {
		dead := g.open("nowhere.invalid:9000", "", quick(rest), func(o *objectstore.Options) { o.HeaderTimeout = 5 * time.Second })
		_, err := fetch(ctx, dead, providers.GetOptions{})
		Expect(expectUnclear(err, objectstore.StoreUnreachable).Error()).To(ContainSubstring("nowhere.invalid"))
	})

	It("survives F2: the first byte is late, once", func(ctx SpecContext) {
		proxy.inject(times(1, func(_ http.ResponseWriter, r *http.Request) bool { proxy.hang(r); return true }))
		expectWhole(ctx)
		Expect(proxy.calls.Load()).To(BeEquivalentTo(2))
	})

	It("survives F2: the first byte never comes", func(ctx SpecContext) {
		proxy.inject(func(_ http.ResponseWriter, r *http.Request) bool { proxy.hang(r); return true })
		start := time.Now()
		Expect(expectUnclear(get(ctx), objectstore.Slow).Error()).To(ContainSubstring("300ms"))
		Expect(proxy.calls.Load()).To(BeEquivalentTo(3))
		Expect(time.Since(start)).To(BeNumerically("~", 900*time.Millisecond, 600*time.Millisecond))
	})

	It("survives F2: the body stalls", func(ctx SpecContext) {
		proxy.inject(func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "some")
			w.(http.Flusher).Flush()
			proxy.hang(r)
			return true
		})
		start := time.Now()
		Expect(expectUnclear(get(ctx), objectstore.Slow).Error()).To(ContainSubstring("stood still"))
		Expect(time.Since(start)).To(BeNumerically("<", 2*time.Second))
	})

	It("takes a slow reader for no stall", func(ctx SpecContext) {
		obj, err := store.Get(ctx, key, providers.GetOptions{})
		Expect(err).NotTo(HaveOccurred())
		time.Sleep(600 * time.Millisecond)
		got, err := io.ReadAll(obj.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(got)).To(Equal(content))
		Expect(obj.Body.Close()).To(Succeed())
	})

	It("takes a long but moving body for no stall", func(ctx SpecContext) {
		proxy.inject(func(w http.ResponseWriter, _ *http.Request) bool {
			for range 10 {
				_, _ = io.WriteString(w, "0123456789")
				w.(http.Flusher).Flush()
				time.Sleep(100 * time.Millisecond)
			}
			return true
		})
		Expect(fetch(ctx, store, providers.GetOptions{})).To(Equal(strings.Repeat("0123456789", 10)))
	})

	It("survives F2: the server takes no more of an upload", func(ctx SpecContext) {
		proxy.inject(func(_ http.ResponseWriter, r *http.Request) bool { proxy.hang(r); return true })
		_, err := store.Put(ctx, "big", strings.NewReader(strings.Repeat("x", 4<<20)), providers.PutOptions{IfAbsent: true})
		expectUnclear(err, objectstore.Slow)
	})

	It("survives F3: 500, twice, then well again", func(ctx SpecContext) {
		proxy.inject(times(2, status(500, "InternalError")))
		expectWhole(ctx)
		Expect(rest.taken).To(HaveLen(2))
	})

	It("survives F3: 500 for ever", func(ctx SpecContext) {
		proxy.inject(status(500, "InternalError"))
		expectUnclear(get(ctx), objectstore.ServerError)
		Expect(proxy.calls.Load()).To(BeEquivalentTo(3))
		_, err := store.List(ctx, "")
		expectUnclear(err, objectstore.ServerError)
		_, err = store.Stat(ctx, key)
		expectUnclear(err, objectstore.ServerError)
		expectUnclear(store.Delete(ctx, key), objectstore.ServerError)
	})

	It("survives F3: a short Retry-After is waited for", func(ctx SpecContext) {
		proxy.inject(times(1, status(503, "SlowDown", "Retry-After", "3")))
		expectWhole(ctx)
		Expect(rest.taken).To(Equal([]time.Duration{3 * time.Second}))
	})

	It("survives F3: a long Retry-After goes to the caller", func(ctx SpecContext) {
		proxy.inject(status(503, "SlowDown", "Retry-After", "120"))
		err := get(ctx)
		expectUnclear(err, objectstore.Slow)
		Expect(providers.RetryAfterOf(fmt.Errorf("wrapped: %w", err))).To(Equal(2 * time.Minute))
		Expect(proxy.calls.Load()).To(BeEquivalentTo(1))
		Expect(rest.taken).To(BeEmpty())

		proxy.inject(status(503, "", "Retry-After", "Mon, 02 Jan 2006 15:05:05 GMT", "Date", "Mon, 02 Jan 2006 15:04:05 GMT"))
		err = get(ctx)
		expectUnclear(err, objectstore.ServerError)
		Expect(providers.RetryAfterOf(err)).To(Equal(time.Minute))
	})

	DescribeTable("survives F3: distinct reasons for", func(ctx SpecContext, f fault, reason string) {
		proxy.inject(f)
		expectUnclear(get(ctx), reason)
		_, err := store.List(ctx, "")
		expectUnclear(err, reason)
		_, err = store.Put(ctx, "k", strings.NewReader("x"), providers.PutOptions{IfMatch: `"x"`})
		expectUnclear(err, reason)
		expectUnclear(store.Delete(ctx, "k"), reason)
		_, err = store.Stat(ctx, key)
		Expect(err).To(MatchError(providers.ErrUnavailable)) // a HEAD's answer tells less
	},
		Entry("403", status(403, "AccessDenied"), objectstore.AccessDenied),
		Entry("a bare 403", status(403, ""), objectstore.AccessDenied),
		Entry("expired credentials", status(400, "ExpiredToken"), objectstore.CredentialsExpired),
		Entry("a key nobody knows", status(403, "InvalidAccessKeyId"), objectstore.CredentialsInvalid),
		Entry("a wrong signature", status(403, "SignatureDoesNotMatch"), objectstore.CredentialsInvalid),
		Entry("a clock that is off", status(403, "RequestTimeTooSkewed"), objectstore.ClockSkewed),
		Entry("no bucket", status(404, "NoSuchBucket"), objectstore.NoSuchBucket),
		Entry("another region", status(301, "PermanentRedirect", "x-amz-bucket-region", "eu-central-1"), objectstore.WrongRegion),
		Entry("what it cannot do", status(501, "NotImplemented"), objectstore.NotSupported),
		Entry("502 from what stands between", status(502, ""), objectstore.ServerError),
		Entry("429", status(429, ""), objectstore.Slow),
		Entry("a bare 404", status(404, ""), objectstore.BadAnswer),
		Entry("a 404 in HTML", func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(404)
			_, _ = io.WriteString(w, "<html><body>nothing here</body></html>")
			return true
		}, objectstore.BadAnswer),
		Entry("the redirect of a login page", status(302, "", "Location", "http://127.0.0.1:1/login"), objectstore.BadAnswer),
		Entry("an unasked 304", status(304, ""), objectstore.BadAnswer),
	)

	It("survives F3: credentials that are changed on disk", func(ctx SpecContext) {
		other := *g
		other.credentials = GinkgoT().TempDir() + "/credentials"
		store = other.open(proxy.addr, "", quick(rest))
		Expect(expectUnclear(get(ctx), objectstore.CredentialsMissing).Error()).To(ContainSubstring(other.credentials))
		writeCredentials(other.credentials, "nobody", "x")
		expectUnclear(get(ctx), objectstore.CredentialsInvalid)
		writeCredentials(other.credentials, accessKey, "wrong-and-long")
		expectUnclear(get(ctx), objectstore.CredentialsInvalid)
		writeCredentials(other.credentials, accessKey, secretKey)
		expectWhole(ctx)
		proxy.calls.Store(0)
		proxy.inject(times(1, status(403, "AccessDenied")))
		Expect(expectUnclear(get(ctx), objectstore.AccessDenied)).NotTo(BeNil())
		Expect(proxy.calls.Load()).To(BeEquivalentTo(1), "the same credentials are not tried twice")
	})

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

	It("gives up at once when its caller does", func(ctx SpecContext) {
		proxy.inject(func(_ http.ResponseWriter, r *http.Request) bool { proxy.hang(r); return true })
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := get(short)
		expectUnclear(err, objectstore.Slow)
		Expect(err).To(MatchError(context.DeadlineExceeded))
		Expect(time.Since(start)).To(BeNumerically("<", 250*time.Millisecond))
	})

	It("says that https was spoken to an http server", func(ctx SpecContext) {
		s, err := objectstore.Open(ctx, "s3://store?endpoint="+g.addr, objectstore.Options{CredentialsFile: g.credentials, Attempts: 1})
		Expect(err).NotTo(HaveOccurred())
		_, err = fetch(ctx, s, providers.GetOptions{})
		Expect(expectUnclear(err, objectstore.StoreUnreachable).Error()).To(ContainSubstring("scheme=http"))
	})

	It("connects through a silent network only so long", func(ctx SpecContext) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never says a word
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = l.Close() }()
		_, err = fetch(ctx, g.open(l.Addr().String(), "", quick(rest)), providers.GetOptions{})
		expectUnclear(err, objectstore.Slow)
	})
})

func fetch(ctx context.Context, s providers.Objects, o providers.GetOptions) (string, error) {
	obj, err := s.Get(ctx, key, o)
	if err != nil {
		return "", err
	}
	defer func() { _ = obj.Body.Close() }()
	got, err := io.ReadAll(obj.Body)
	return string(got), err
}
