package caddy

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

func writeUpstream(s *caddyServer, content string) {
	GinkgoHelper()
	Expect(os.WriteFile(s.paths.Upstream("web"), []byte(content), 0o600)).To(Succeed())
}

// behind is a client of an admin API that some handler plays.
func behind(h http.HandlerFunc) *Client {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	DeferCleanup(srv.Close)
	c, err := New(Options{Admin: "http://" + l.Addr().String(), Paths: providers.DefaultPaths(), ReadTimeout: 100 * time.Millisecond})
	Expect(err).NotTo(HaveOccurred())
	return c
}

var _ = Describe("trouble with the admin API", func() {
	DescribeTable("is told as unknown, with the way out, and in time",
		func(ctx SpecContext, answer http.HandlerFunc, says string) {
			c := behind(answer)
			began := time.Now()
			_, observing := c.Observe(ctx, "web", &web)
			for _, err := range []error{observing, c.Put(ctx, web), c.Remove(ctx, "web")} {
				Expect(err).To(MatchError(providers.ErrUnavailable))
				Expect(providers.ReasonOf(err)).To(Equal("CaddyUnreachable"))
				Expect(err).To(MatchError(ContainSubstring(says)))
			}
			Expect(time.Since(began)).To(BeNumerically("<", 2*time.Second))
			Expect(c.Check(ctx)).To(HaveLen(1))
		},
		Entry("survives F34: it hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "did not answer in time"),
		Entry("it hangs in the middle of its answer", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"apps":`))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, "did not answer in time"),
		Entry("it is a web page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "is not Caddy's admin API"),
		Entry("it is another program", func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) }, "is not Caddy's admin API"),
		Entry("it redirects", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/config/", http.StatusFound)
		}, "is not Caddy's admin API"),
	)

	It("takes 200 with nothing for a Caddy without routes", func(ctx SpecContext) {
		c := behind(func(http.ResponseWriter, *http.Request) {})
		Expect(observed(ctx, c, web).Found).To(BeFalse())
		Expect(c.Owned(ctx)).To(BeEmpty())
		Expect(c.Remove(ctx, "web")).To(Succeed())
	})

	It("shares one reading among many, and one caller who gives up does not spoil it for the others", func(ctx SpecContext) {
		asked := make(chan struct{}, 100)
		release := make(chan struct{})
		c := behind(func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-release })
		c.opts.ReadTimeout = 5 * time.Second
		impatient, giveUp := context.WithCancel(ctx)
		errs := make(chan error, 10)
		go func() { _, err := c.Owned(impatient); errs <- err }()
		Eventually(asked).Should(Receive())
		for range 9 {
			go func() { _, err := c.Owned(ctx); errs <- err }()
		}
		giveUp()
		Eventually(errs).Should(Receive(MatchError(context.Canceled)))
		close(release)
		for range 9 {
			Eventually(errs).Should(Receive(BeNil()))
		}
		Expect(asked).To(BeEmpty(), "nobody asked a second time")
	})

	DescribeTable("an address is understood, or refused in words",
		func(address, network, dial string) {
			a, err := newAdmin(address)
			if network == "" {
				Expect(err).To(MatchError(ContainSubstring("unix//run/caddy/admin.sock")))
				return
			}
			Expect(err).NotTo(HaveOccurred())
			Expect(a.network).To(Equal(network))
			Expect(a.address).To(Equal(dial))
		},
		Entry(nil, "unix//run/caddy/admin.sock", "unix", "/run/caddy/admin.sock"),
		Entry(nil, "unix//run/caddy/admin.sock|0600", "unix", "/run/caddy/admin.sock"),
		Entry(nil, "http://localhost:2019", "tcp", "localhost:2019"),
		Entry(nil, "localhost:2019", "tcp", "localhost:2019"),
		Entry(nil, "tcp/127.0.0.1:2019", "tcp", "127.0.0.1:2019"),
		Entry(nil, "", "", ""),
		Entry(nil, "unix/relative.sock", "", ""),
		Entry(nil, "https://localhost:2019", "", ""),
		Entry(nil, "localhost", "", ""),
	)
})

var _ = Describe("the version of Caddy", func() {
	It("is that of the process behind the admin API, over unix and TCP", func(ctx SpecContext) {
		for _, kind := range []string{"unix", "tcp"} {
			s := startCaddy(kind)
			Expect(s.client().Version(ctx)).To(Equal("2.11.9"), kind)
		}
	})

	It("too old: the route is refused with a reason, nothing is written, and reading still works", func(ctx SpecContext) {
		s := startCaddy("unix", foreign...)
		before := s.routes("srv0")
		c, proxy := throughProxy(s) // The process that listens is this test: no Caddy.
		c.opts.Binary = script("echo '2.6.2'")
		err := c.Put(ctx, web)
		Expect(providers.ReasonOf(err)).To(Equal("CaddyTooOld"))
		Expect(err).To(MatchError(ContainSubstring("Caddy 2.6.2 is too old: 2.11.1 or newer is needed")))
		Expect(proxy.writes.Load()).To(BeZero())
		Expect(s.routes("srv0")).To(Equal(before))
		Expect(observed(ctx, c, web).Found).To(BeFalse())
		Expect(finding(c.Check(ctx), "caddy version").OK).To(BeFalse())
	})

	It("unknown: doctor says so and routes are written", func(ctx SpecContext) {
		s := startCaddy("unix", foreign...)
		c, _ := throughProxy(s)
		c.opts.Binary = script("echo unknown")
		Expect(c.Put(ctx, web)).To(Succeed())
		f := finding(c.Check(ctx), "caddy version")
		Expect(f.OK).To(BeFalse())
		Expect(f.Message).To(Equal("the version of Caddy is unknown"))
	})

	DescribeTable("is compared by its numbers",
		func(said, parsed string, tooOld bool) {
			Expect(parseVersion(said)).To(Equal(parsed))
			if parsed != "" {
				Expect(older(parsed, MinVersion)).To(Equal(tooOld))
			}
		},
		Entry(nil, "v2.11.9 h1:abc=", "2.11.9", false),
		Entry(nil, "2.6.2\n", "2.6.2", true),
		Entry(nil, "v2.11.0", "2.11.0", true),
		Entry(nil, "v2.11.1", "2.11.1", false),
		Entry(nil, "v2.12.0-beta.1", "2.12.0", false),
		Entry(nil, "v3.0.0", "3.0.0", false),
		Entry(nil, "(devel)", "", false),
		Entry(nil, "unknown", "", false),
	)
})

var _ = Describe("what doctor says", func() {
	It("is content with a socket and --resume", func(ctx SpecContext) {
		s := startCaddy("unix", foreign...)
		s.kill()
		s.run("run", "--resume", "--config", filepath.Join(s.dir, "caddy.json"))
		for _, f := range s.client().Check(ctx) {
			Expect(f.OK).To(BeTrue(), "%+v", f)
			Expect(f.Remedy).To(BeEmpty())
		}
	})

	It("warns of an admin API on TCP and of a start without --resume", func(ctx SpecContext) {
		s := startCaddy("tcp", foreign...)
		findings := s.client().Check(ctx)
		for _, name := range []string{"caddy admin", "caddy resume"} {
			f := finding(findings, name)
			Expect(f.OK).To(BeFalse())
			Expect(f.Remedy).NotTo(BeEmpty())
		}
		Expect(finding(findings, "caddy admin").Message).To(ContainSubstring("any local user"))
		Expect(finding(findings, "caddy server").Message).To(Equal("our routes are in server srv0"))
	})
})

func finding(all []Finding, name string) Finding {
	GinkgoHelper()
	for _, f := range all {
		if f.Name == name {
			return f
		}
	}
	Fail("no finding " + name)
	return Finding{}
}

func script(lines ...string) string {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), "caddy")
	Expect(os.WriteFile(file, []byte("#!/bin/sh\n"+strings.Join(lines, "\n")+"\n"), 0o700)).To(Succeed())
	return file
}
