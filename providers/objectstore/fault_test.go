package objectstore_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/objectstore"
	"deployer/test/env"
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

	It("survives F1: nothing listens", func(ctx SpecContext) {
		dead := g.open(env.FreeAddress(GinkgoT()), "", quick(rest))
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

	It("takes back what a failed try told of an upload", func(ctx SpecContext) {
		proxy.inject(times(2, drained(status(500, "InternalError"))))
		var told []int64
		_, err := store.Put(ctx, "told", strings.NewReader(content), providers.PutOptions{Sent: func(n int64) { told = append(told, n) }})
		Expect(err).NotTo(HaveOccurred())
		sum := int64(0)
		for _, n := range told {
			sum += n
		}
		Expect(sum).To(BeEquivalentTo(len(content)))
		Expect(told).To(ContainElement(BeNumerically("<", 0)))
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
		writeCredentials(other.credentials, accessKey, "changed-for-another")
		expectUnclear(get(ctx), objectstore.CredentialsInvalid) // though the old ones still work
		writeCredentials(other.credentials, accessKey, secretKey)
		expectWhole(ctx)
		proxy.calls.Store(0)
		proxy.inject(times(1, status(403, "AccessDenied")))
		Expect(expectUnclear(get(ctx), objectstore.AccessDenied)).NotTo(BeNil())
		Expect(proxy.calls.Load()).To(BeEquivalentTo(1), "the same credentials are not tried twice")
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
