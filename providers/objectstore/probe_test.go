package objectstore_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/objectstore"
)

var _ = Describe("The probe of conditional writes", func() {
	It("finds that a directory honours them, and cleans up", func(ctx SpecContext) {
		store := openDirectory(GinkgoT().TempDir(), objectstore.Options{})
		Expect(objectstore.ProbeConditional(ctx, store)).To(BeTrue())
		Expect(store.List(ctx, "")).To(BeEmpty())
	})

	It("survives F9: finds that a store honours them, or ignores one or both", func(ctx SpecContext) {
		g := startGateway()
		proxy := startProxy(g)
		store := g.open(proxy.addr, "", quick(&naps{}))
		Expect(objectstore.ProbeConditional(ctx, store)).To(BeTrue())
		for _, header := range [][]string{{"If-Match"}, {"If-None-Match"}, {"If-Match", "If-None-Match"}} {
			proxy.inject(g.stripped(header...))
			Expect(objectstore.ProbeConditional(ctx, store)).To(BeFalse(), "%v", header)
		}
		proxy.inject(func(w http.ResponseWriter, r *http.Request) bool {
			conditional := r.Method == http.MethodPut && (r.Header.Get("If-Match") != "" || r.Header.Get("If-None-Match") != "")
			return conditional && status(501, "NotImplemented")(w, r)
		})
		Expect(objectstore.ProbeConditional(ctx, store)).To(BeFalse())
		proxy.inject(status(403, "AccessDenied"))
		_, err := objectstore.ProbeConditional(ctx, store)
		Expect(providers.ReasonOf(err)).To(Equal(objectstore.AccessDenied))
		proxy.inject(nil)
		Expect(store.List(ctx, ".probe/")).To(BeEmpty())
	})
})

// stripped is a store that takes condition headers and ignores them: the request is signed
// anew without them, as a proxy that owned the keys would do.
func (g *gateway) stripped(headers ...string) fault {
	direct := g.open(g.addr, "")
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		o := providers.PutOptions{IfMatch: r.Header.Get("If-Match"), IfAbsent: r.Header.Get("If-None-Match") == "*"}
		for _, h := range headers {
			if h == "If-Match" {
				o.IfMatch = ""
			} else {
				o.IfAbsent = false
			}
		}
		key := strings.TrimPrefix(r.URL.Path, "/"+bucket+"/")
		info, err := direct.Put(r.Context(), key, strings.NewReader("probe"), o)
		if err != nil {
			return status(412, "PreconditionFailed")(w, r)
		}
		w.Header().Set("ETag", info.ETag)
		return true
	}
}

var _ = Describe("What the environment says", func() {
	It("sends nothing for a loopback endpoint through a proxy", func(ctx SpecContext) {
		var asked atomic.Int64
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.WriteHeader(502)
		}))
		DeferCleanup(proxy.Close)
		through := func(o *objectstore.Options) {
			o.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
		}
		g := startGateway()
		for _, addr := range []string{g.addr, strings.Replace(g.addr, "127.0.0.1", "localhost", 1)} {
			_, err := g.open(addr, "", through).Stat(ctx, "none")
			Expect(err).To(MatchError(providers.ErrNotFound))
		}
		Expect(asked.Load()).To(BeZero())
		_, err := g.open("store.example.com:1", "", through, quick(&naps{})).Stat(ctx, "none")
		expectUnclear(err, objectstore.ServerError)
		Expect(asked.Load()).NotTo(BeZero(), "the proxy is used for all others")
	})

	It("takes profile= over the environment's keys, and AWS_CA_BUNDLE without harm", func(ctx SpecContext) {
		g := startGateway()
		home := GinkgoT().TempDir()
		Expect(os.Mkdir(filepath.Join(home, ".aws"), 0o700)).To(Succeed())
		file := filepath.Join(home, ".aws/credentials")
		writeCredentials(file, accessKey, secretKey)
		text, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(file, []byte(strings.Replace(string(text), "default", "shop", 1)), 0o600)).To(Succeed())
		for name, value := range map[string]string{
			"HOME": home, "AWS_SHARED_CREDENTIALS_FILE": "", "AWS_CONFIG_FILE": "", "AWS_PROFILE": "",
			"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "else",
			"AWS_CA_BUNDLE": writeCA(home),
		} {
			GinkgoT().Setenv(name, value)
		}
		stat := func(profile string) error {
			s, err := objectstore.Open(ctx, "s3://store?scheme=http&endpoint="+g.addr+profile, objectstore.Options{})
			Expect(err).NotTo(HaveOccurred())
			_, err = s.Stat(ctx, "none")
			return err
		}
		Expect(stat("&profile=shop")).To(MatchError(providers.ErrNotFound))
		e := expectUnclear(stat("&profile=sohp"), objectstore.CredentialsMissing)
		Expect(e.Error()).To(And(ContainSubstring("[sohp]"), ContainSubstring(file)))
		Expect(stat("")).To(MatchError(providers.ErrUnavailable))
		GinkgoT().Setenv("AWS_ACCESS_KEY_ID", accessKey)
		GinkgoT().Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
		Expect(stat("")).To(MatchError(providers.ErrNotFound))
		GinkgoT().Setenv("AWS_ACCESS_KEY_ID", "")
		GinkgoT().Setenv("AWS_SECRET_ACCESS_KEY", "")
		e = expectUnclear(stat(""), objectstore.CredentialsMissing)
		Expect(e.Error()).To(ContainSubstring("aws_access_key_id"))
	})
})

func writeCA(dir string) string {
	GinkgoHelper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	path := filepath.Join(dir, "ca.pem")
	Expect(os.WriteFile(path, pemOf(server.Certificate().Raw), 0o600)).To(Succeed())
	return path
}
