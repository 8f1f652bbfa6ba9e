package caddy

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/fake"
)

var _ = Describe("conformance", func() {
	Context("of the fake", func() {
		conformance.Routes(func() conformance.RoutesHost {
			w := fake.New()
			return conformance.RoutesHost{
				Routes: w.Host().Routes,
				Writes: func() int { return w.Caddy.Writes },
				Forget: func() { w.Caddy.Routes = map[string]providers.Route{} },
				Stop:   func() { w.Caddy.Down = true },
			}
		})
	})
	for _, kind := range []string{"unix", "tcp"} {
		Context("of Caddy, admin over "+kind, func() {
			conformance.Routes(func() conformance.RoutesHost {
				s := startCaddy(kind, `{"@id":"foreign","match":[{"host":["foreign.example.com"]}],"handle":[{"handler":"static_response","body":"foreign"}],"terminal":true}`)
				return overReal(s, s.client())
			})
		})
		Context("of a Caddy with an empty configuration, admin over "+kind, func() {
			conformance.Routes(func() conformance.RoutesHost {
				s := startCaddy(kind)
				return overReal(s, s.client())
			})
		})
	}
})

// overReal puts a counting proxy between the client and Caddy's admin API.
func overReal(s *caddyServer, c *Client) conformance.RoutesHost {
	var initial []string
	if s.hasServer("srv0") {
		initial = s.routes("srv0")
	}
	p := countWrites(s)
	a, err := newAdmin("http://" + p.address)
	Expect(err).NotTo(HaveOccurred())
	a.name = c.admin.name
	c.admin = a
	return conformance.RoutesHost{
		Routes: c,
		Writes: func() int { return int(p.writes.Load()) },
		Forget: func() { s.edit(http.MethodPost, "/load", s.config(initial...)) },
		Stop:   func() { s.kill(); p.stop() },
	}
}

func (s *caddyServer) hasServer(name string) bool {
	resp, err := s.try(http.MethodGet, "/config/apps/http/servers/"+name, "", nil)
	return err == nil && resp.StatusCode == http.StatusOK
}

// counter is a proxy before the admin API that counts what is not a GET.
type counter struct {
	address string
	writes  atomic.Int64
	reads   atomic.Int64
	// before is called before every write is passed on, if set.
	before atomic.Pointer[func()]
	stop   func()
}

func countWrites(s *caddyServer) *counter {
	GinkgoHelper()
	upstream, err := newAdmin(s.admin)
	Expect(err).NotTo(HaveOccurred())
	target, err := url.Parse(upstream.base)
	Expect(err).NotTo(HaveOccurred())
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = target.Host },
		Transport: upstream.client.Transport,
		// What Caddy drops is dropped here, too.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	c := &counter{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	c.address = l.Addr().String()
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			c.reads.Add(1)
		} else {
			c.writes.Add(1)
			if before := c.before.Load(); before != nil {
				(*before)()
			}
		}
		proxy.ServeHTTP(w, r)
	})}
	go func() { _ = srv.Serve(l) }()
	c.stop = func() { _ = srv.Close() }
	DeferCleanup(c.stop)
	return c
}
