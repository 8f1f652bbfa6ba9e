package caddy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/test/env"
)

var (
	web = providers.Route{Service: "web", Domains: []string{"web.example.com"}, Path: "/"}
	api = providers.Route{Service: "api", Domains: []string{"web.example.com"}, Path: "/api"}
)

// foreign is another person's routes, with everything that a careless rewrite would change.
var foreign = []string{
	`{"@id":"first","handle":[{"handler":"headers","response":{"set":{"X-First":["<&>\u2028"]}}}]}`,
	`{"@id":"site","handle":[{"body":"a \u003cb\u003e","handler":"static_response","status_code":418}],"match":[{"host":["foreign.example.com"]}],"terminal":true}`,
	`{"@id":"last","handle":[{"body":"nothing here","handler":"static_response","status_code":404}]}`,
}

var _ = Describe("routes in a real Caddy", func() {
	It("serves, beside other people's routes, which stay byte-identical and go on working", func(ctx SpecContext) {
		s := startCaddy("unix", foreign...)
		before := s.routes("srv0")
		c := s.client()
		s.shift("web", sayingName("web"))
		s.shift("api", sayingName("api"))
		Expect(c.Put(ctx, web)).To(Succeed())
		Expect(c.Put(ctx, api)).To(Succeed())
		Expect(s.names("srv0")).To(Equal([]string{"first", "site", "biz-deployer/api", "biz-deployer/web", "last"}))

		for path, want := range map[string]string{"/": "web", "/apis": "web", "/api": "api", "/api/v1": "api"} {
			_, body := s.ask("web.example.com", path)
			Expect(body).To(Equal(want), path)
		}
		status, body := s.ask("foreign.example.com", "/")
		Expect(status).To(Equal(418))
		Expect(body).To(Equal("a <b>"))
		status, _ = s.ask("unknown.example.com", "/")
		Expect(status).To(Equal(404))

		Expect(c.Remove(ctx, "web")).To(Succeed())
		Expect(c.Remove(ctx, "api")).To(Succeed())
		Expect(s.routes("srv0")).To(Equal(before))
	})

	It("survives F34: loses neither its own change nor that of a second writer who was faster", func(ctx SpecContext) {
		s := startCaddy("unix", foreign...)
		c, proxy := throughProxy(s)
		var once sync.Once
		second := func() {
			once.Do(func() {
				defer GinkgoRecover()
				s.edit(http.MethodPut, "/config/apps/http/servers/srv0/routes/0", `{"@id":"second","match":[{"host":["x.example"]}]}`)
			})
		}
		proxy.before.Store(&second)
		Expect(c.Put(ctx, web)).To(Succeed())
		Expect(proxy.writes.Load()).To(BeEquivalentTo(2), "one lost race and one success")
		Expect(s.names("srv0")).To(Equal([]string{"second", "first", "site", "biz-deployer/web", "last"}))
	})

	It("gives up with a conflict when somebody is always faster, and damages nothing", func(ctx SpecContext) {
		s := startCaddy("unix", foreign...)
		c, proxy := throughProxy(s)
		n := 0
		always := func() {
			defer GinkgoRecover()
			n++
			s.edit(http.MethodPost, "/config/apps/http/servers/srv0/routes", fmt.Sprintf(`{"@id":"x%d","match":[{"host":["x.example"]}]}`, n))
		}
		proxy.before.Store(&always)
		err := c.Put(ctx, web)
		Expect(err).To(MatchError(providers.ErrConflict))
		Expect(providers.ReasonOf(err)).To(Equal("CaddyContended"))
		Expect(s.names("srv0")).To(HaveLen(len(foreign) + n))
	})

	It("shares one write among many services", func(ctx SpecContext) {
		s := startCaddy("unix", foreign...)
		c, proxy := throughProxy(s)
		var all sync.WaitGroup
		began := time.Now()
		for i := range 200 {
			all.Go(func() {
				defer GinkgoRecover()
				Expect(c.Put(ctx, providers.Route{Service: fmt.Sprintf("s%d", i), Domains: []string{fmt.Sprintf("s%d.example.com", i)}})).To(Succeed())
			})
		}
		all.Wait()
		GinkgoWriter.Printf("200 routes in %d writes, %s\n", proxy.writes.Load(), time.Since(began))
		Expect(proxy.writes.Load()).To(BeNumerically("<=", 4))
		Expect(c.Owned(ctx)).To(HaveLen(200))
	})

	It("is not disturbed by Caddy, which replaces its admin endpoint with every change", func(ctx SpecContext) {
		for _, kind := range []string{"unix", "tcp"} {
			s := startCaddy(kind, foreign...)
			c := s.clientWith(func(o *Options) { o.MaxAge = time.Nanosecond })
			changing, done := context.WithCancel(ctx)
			var readers sync.WaitGroup
			for range 4 {
				readers.Go(func() {
					defer GinkgoRecover()
					for changing.Err() == nil {
						_, err := c.readNow(ctx)
						Expect(err).NotTo(HaveOccurred(), kind)
					}
				})
			}
			for i := range 100 {
				r := providers.Route{Service: "web", Domains: []string{fmt.Sprintf("v%d.example.com", i)}}
				Expect(c.Put(ctx, r)).To(Succeed(), kind)
				Expect(observed(ctx, c, r).Current).To(BeTrue(), kind)
			}
			done()
			readers.Wait()
		}
	})

	It("writes the others when Caddy refuses one of a shared write", func(ctx SpecContext) {
		s := startCaddy("unix", `{"@id":"group","match":[{"host":["x.example"]}],"handle":[{"handler":"subroute","routes":[{"@id":"biz-deployer/bad"}]}]}`)
		c := s.clientWith(func(o *Options) { o.Window = 50 * time.Millisecond })
		var bad, good error
		var both sync.WaitGroup
		both.Go(func() { bad = c.Put(ctx, providers.Route{Service: "bad", Domains: []string{"bad.example"}}) })
		both.Go(func() { good = c.Put(ctx, web) })
		both.Wait()
		Expect(good).NotTo(HaveOccurred())
		Expect(providers.ReasonOf(bad)).To(Equal("CaddyRefused"))
		Expect(bad).To(MatchError(ContainSubstring("duplicate ID 'biz-deployer/bad'")))
		Expect(observed(ctx, c, web).Current).To(BeTrue())
	})

	It("puts a route back that somebody edited or moved behind a catch-all", func(ctx SpecContext) {
		s := startCaddy("unix", foreign...)
		c := s.client()
		Expect(c.Put(ctx, web)).To(Succeed())
		s.edit(http.MethodPatch, "/config/apps/http/servers/srv0/routes/2/handle/0/upstreams/0/dial", `"127.0.0.1:1"`)
		Eventually(func() string { return observed(ctx, c, web).Differs }).Should(HavePrefix(`handle[0].upstreams[0].dial is "127.0.0.1:1"`))
		Expect(c.Put(ctx, web)).To(Succeed())
		mine := s.routes("srv0")[2]
		s.edit(http.MethodDelete, "/config/apps/http/servers/srv0/routes/2", "")
		s.edit(http.MethodPost, "/config/apps/http/servers/srv0/routes", mine)
		Eventually(func() string { return observed(ctx, c, web).Differs }).Should(Equal("route 2 of somebody else comes first and takes its requests"))
		Expect(c.Put(ctx, web)).To(Succeed())
		Expect(s.names("srv0")).To(Equal([]string{"first", "site", "biz-deployer/web", "last"}))
	})

	It("survives F38: sees within the age of a reading that `caddy reload` dropped the routes, and restores them", func(ctx SpecContext) {
		s := startCaddy("unix", foreign...)
		c := s.client()
		Expect(c.Put(ctx, web)).To(Succeed())
		Expect(observed(ctx, c, web).Current).To(BeTrue())
		file := filepath.Join(s.dir, "Caddyfile")
		Expect(os.WriteFile(file, []byte(fmt.Sprintf("{\n admin %s\n auto_https off\n}\nhttp://foreign.example.com:%s {\n bind 127.0.0.1\n respond hello\n}\n",
			s.admin, portOf(s.listen))), 0o600)).To(Succeed())
		out, err := exec.CommandContext(ctx, s.binary, "reload", "--config", file, "--adapter", "caddyfile", "--address", s.admin).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		Eventually(func() bool { return observed(ctx, c, web).Found }).WithTimeout(time.Second).Should(BeFalse())
		before := s.routes("srv0")
		Expect(c.Put(ctx, web)).To(Succeed())
		Expect(observed(ctx, c, web).Current).To(BeTrue())
		Expect(s.routes("srv0")).To(ContainElements(before))
		s.shift("web", sayingName("web"))
		_, body := s.ask("web.example.com", "/")
		Expect(body).To(Equal("web"))
	})

	It("survives F33: keeps its routes over kill -9 with --resume, and writes them again without", func(ctx SpecContext) {
		s := startCaddy("unix", foreign...)
		c := s.client()
		Expect(c.Put(ctx, web)).To(Succeed())
		s.kill()
		s.run("run", "--resume")
		Expect(observed(ctx, c, web).Current).To(BeTrue())
		s.kill()
		s.run("run", "--config", filepath.Join(s.dir, "caddy.json"))
		Eventually(func() bool { return observed(ctx, c, web).Found }).Should(BeFalse())
		Expect(c.Put(ctx, web)).To(Succeed())
		Expect(observed(ctx, c, web).Current).To(BeTrue())
	})

	It("makes a server with certificates and redirects where nothing listens", func(ctx SpecContext) {
		s := startCaddy("unix")
		plain := env.FreeAddress(GinkgoT())
		s.edit(http.MethodPost, "/load", fmt.Sprintf(`{"admin":{"listen":%q},"apps":{"http":{"http_port":%s,"https_port":%s},`+
			`"pki":{"certificate_authorities":{"local":{"install_trust":false}}},`+
			`"tls":{"automation":{"policies":[{"issuers":[{"module":"internal"}]}]}}}}`, s.admin, portOf(plain), portOf(s.listen)))
		c := s.clientWith(func(o *Options) { o.HTTP = HTTPS })
		s.shift("web", sayingName("web"))
		Expect(c.Put(ctx, web)).To(Succeed())
		conn := &tls.Config{ServerName: "web.example.com", InsecureSkipVerify: true} //nolint:gosec // Caddy's own CA, made a moment ago.
		Eventually(func() error {
			tc, err := tls.Dial("tcp", s.listen, conn)
			if err != nil {
				return err
			}
			return tc.Close()
		}).WithTimeout(10 * time.Second).Should(Succeed())
		s2 := &caddyServer{listen: plain}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s2.listen+"/x", nil)
		Expect(err).NotTo(HaveOccurred())
		req.Host = "web.example.com"
		resp, err := http.DefaultTransport.RoundTrip(req)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		Expect(resp.StatusCode).To(Equal(http.StatusPermanentRedirect))
		Expect(resp.Header.Get("Location")).To(Equal("https://web.example.com/x"))
		Expect(observed(ctx, c, web).Current).To(BeTrue())
	})
})

// throughProxy is a client whose every request can be watched and interrupted.
func throughProxy(s *caddyServer) (*Client, *counter) {
	GinkgoHelper()
	proxy := countWrites(s)
	return s.clientWith(func(o *Options) { o.Admin = "http://" + proxy.address }), proxy
}

func observed(ctx SpecContext, c *Client, r providers.Route) providers.RouteFacts {
	GinkgoHelper()
	facts, err := c.Observe(ctx, r.Service, &r)
	Expect(err).NotTo(HaveOccurred())
	return facts
}

// sayingName is a backend that says its name; it gives the address.
func sayingName(name string) string {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, name) })}
	go func() { _ = srv.Serve(l) }()
	DeferCleanup(srv.Close)
	return l.Addr().String()
}

func portOf(address string) string {
	_, port, _ := strings.Cut(address, ":")
	return port
}
