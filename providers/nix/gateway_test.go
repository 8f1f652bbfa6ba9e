package nix_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/providers/nix"
)

const (
	someNarinfo = "0123456789abcdfghijklmnpqrsvwxyz.narinfo"
	someNar     = "nar/0123.nar.zst"
)

var _ = Describe("The cache gateway", func() {
	var (
		world   *fake.World
		store   providers.Objects
		options nix.GatewayOptions
	)
	put := func(key, content string) {
		_, err := store.Put(context.Background(), key, strings.NewReader(content), providers.PutOptions{})
		Expect(err).NotTo(HaveOccurred())
	}
	start := func() *nix.Gateway {
		GinkgoHelper()
		gateway, err := nix.StartGateway(context.Background(), options)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(gateway.Close)
		return gateway
	}
	ask := func(method, url, body string, header ...string) (status int, answer string, headers http.Header) {
		GinkgoHelper()
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		Expect(err).NotTo(HaveOccurred())
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		Expect(err).NotTo(HaveOccurred())
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		Expect(err).NotTo(HaveOccurred())
		return resp.StatusCode, string(data), resp.Header
	}
	BeforeEach(func() {
		world = fake.New()
		store = world.Store()
		options = nix.GatewayOptions{Objects: store}
	})

	It("listens on loopback only, with a token that nobody guesses", func() {
		one, two := start(), start()
		Expect(one.URL()).To(MatchRegexp(`^http://127\.0\.0\.1:\d+/[0-9a-f]{48}$`))
		Expect(one.URL()[len(one.URL())-48:]).NotTo(Equal(two.URL()[len(two.URL())-48:]))
		put(someNarinfo, "StorePath: x")
		base, _, _ := strings.Cut(strings.TrimPrefix(one.URL(), "http://"), "/")
		for _, path := range []string{"/", "/" + someNarinfo, "/" + strings.Repeat("0", 48) + "/" + someNarinfo} {
			status, _, _ := ask("GET", "http://"+base+path, "")
			Expect(status).To(Equal(404), path)
		}
	})

	It("gives narinfos and NARs, counts their bytes, and has a nix-cache-info of its own", func() {
		gateway := start()
		put(someNarinfo, "StorePath: x")
		put(someNar, "0123456789")
		status, answer, headers := ask("GET", gateway.URL()+"/"+someNarinfo, "")
		Expect(status).To(Equal(200))
		Expect(answer).To(Equal("StorePath: x"))
		Expect(headers.Get("Content-Type")).To(Equal("text/x-nix-narinfo"))
		_, answer, _ = ask("GET", gateway.URL()+"/"+someNar, "")
		Expect(answer).To(Equal("0123456789"))
		status, _, headers = ask("HEAD", gateway.URL()+"/"+someNar, "")
		Expect(status).To(Equal(200))
		Expect(headers.Get("Content-Length")).To(Equal("10"))
		Expect(gateway.Stats()).To(Equal(nix.GatewayStats{Requests: 3, Sent: 22}))

		_, answer, _ = ask("GET", gateway.URL()+"/nix-cache-info", "")
		Expect(answer).To(Equal("StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n"))
		put("nix-cache-info", "StoreDir: /nix/store\n")
		_, answer, _ = ask("GET", gateway.URL()+"/nix-cache-info", "")
		Expect(answer).To(Equal("StoreDir: /nix/store\n"))
	})

	DescribeTable("resumes a download where it was",
		func(header string, status int, body, contentRange string) {
			gateway := start()
			put(someNar, "0123456789")
			got, answer, headers := ask("GET", gateway.URL()+"/"+someNar, "", "Range", header)
			Expect(got).To(Equal(status))
			Expect(headers.Get("Content-Range")).To(Equal(contentRange))
			if status < 400 {
				Expect(answer).To(Equal(body))
			}
		},
		Entry("from the middle", "bytes=4-", 206, "456789", "bytes 4-9/10"),
		Entry("from the beginning", "bytes=0-", 206, "0123456789", "bytes 0-9/10"),
		Entry("past the end", "bytes=10-", 416, "", "bytes */10"),
		Entry("a form that it does not do is answered whole", "bytes=2-3", 200, "0123456789", ""),
		Entry("nonsense is answered whole", "bytes=x-", 200, "0123456789", ""),
	)

	It("shows nothing of the store but the cache", func() {
		gateway := start()
		stored := []string{"manifest.json", "status/biz.json", "nar/a/b", "x.narinfo"}
		for _, key := range stored {
			put(key, "secret")
		}
		for _, key := range append(stored, "nar/../manifest.json", "nar/%2e%2e/manifest.json", "nar/", "") {
			status, answer, _ := ask("GET", gateway.URL()+"/"+key, "")
			Expect(status).To(Equal(404), key)
			Expect(answer).NotTo(ContainSubstring("secret"))
		}
	})

	It("says 404 for what is certainly absent, and 503 with the true reason kept for everything else", func() {
		gateway := start()
		status, _, _ := ask("GET", gateway.URL()+"/"+someNarinfo, "")
		Expect(status).To(Equal(404))
		Expect(gateway.Err()).NotTo(HaveOccurred())
		denied := &providers.Fault{Reason: "AccessDenied", Message: "you may not", Err: providers.ErrUnavailable}
		world.Fail("objects.Get", denied)
		status, answer, _ := ask("GET", gateway.URL()+"/"+someNarinfo, "")
		Expect(status).To(Equal(503))
		Expect(answer).NotTo(ContainSubstring("you may not"))
		Expect(gateway.Err()).To(Equal(error(denied)))
		world.Heal("")
		world.Fail("objects.Stat", errors.New("anything else"))
		status, _, _ = ask("HEAD", gateway.URL()+"/"+someNarinfo, "")
		Expect(status).To(Equal(503))
	})

	It("cuts the connection when the store fails in the middle of a NAR", func() {
		options.Objects = &half{Objects: store}
		gateway := start()
		put(someNar, "0123456789")
		resp, err := http.Get(gateway.URL() + "/" + someNar)
		if err == nil {
			// The headers may or may not have made it.
			defer resp.Body.Close()
			_, err = io.ReadAll(resp.Body)
		}
		Expect(err).To(HaveOccurred())
		Expect(gateway.Err()).To(MatchError(errHalf))
	})

	It("takes nothing", func() {
		gateway := start()
		for _, method := range []string{"PUT", "POST", "DELETE"} {
			status, _, _ := ask(method, gateway.URL()+"/"+someNar, "x")
			Expect(status).To(Equal(405), method)
		}
		Expect(store.List(context.Background(), "")).To(BeEmpty())
	})
})

var errHalf = errors.New("half is enough")

// half gives half of each body, and then an error.
type half struct{ providers.Objects }

func (h *half) Get(ctx context.Context, key string, o providers.GetOptions) (*providers.Object, error) {
	obj, err := h.Objects.Get(ctx, key, o)
	if err == nil {
		obj.Body = io.NopCloser(io.MultiReader(io.LimitReader(obj.Body, obj.Size/2), broken{}))
	}
	return obj, err
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errHalf }
