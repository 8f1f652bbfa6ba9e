package load_test

import (
	"context"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/load"
)

func run(ctx context.Context, o load.Options) load.Report {
	GinkgoHelper()
	report, err := load.Run(ctx, o)
	Expect(err).NotTo(HaveOccurred())
	GinkgoWriter.Print(report)
	return report
}

var _ = Describe("A load", func() {
	It("counts no failure when there is none, for each kind of connection", func(ctx SpecContext) {
		s := newServer()
		ready := make(chan struct{})
		o := s.options(load.Full())
		o.Ready, o.Pause, o.For, o.DownloadBytes = ready, 20*time.Millisecond, 4*time.Second, 64<<10
		report := run(ctx, o)
		Expect(ready).To(BeClosed())
		Expect(report.Total().Failed).To(BeZero())
		Expect(report.Failures).To(BeEmpty())
		Expect(report.Total().Connections).To(Equal(32))
		Expect(report.Total().Opened).To(Equal(32))
		for _, kind := range load.Kinds() {
			line := report.Of("a", kind)
			Expect(line.Requests).To(BeNumerically(">", 0), string(kind))
			Expect(line.Releases).To(Equal(map[string]int{"one": line.Requests}), string(kind))
			Expect(line.Latencies.Max).To(BeNumerically(">", 0), string(kind))
		}
		requests := report.Of("a", load.Get, load.Post, load.Slow, load.HTTP2).Requests
		Expect(int64(requests)).To(BeNumerically("~", s.asked.Load(), 3+report.Of("a", load.Download).Requests),
			"websocket and downloads are a few requests more")
	})

	DescribeTable("counts every request that the server dropped, and asks nothing twice",
		func(ctx SpecContext, kind load.Kind) {
			s := newServer(every(50, drop))
			o := s.options(load.Mix{kind: 4})
			o.MaxRequests, o.For = 500, 30*time.Second
			report := run(ctx, o)
			Expect(s.spoilt.Load()).To(BeNumerically(">=", 9))
			Expect(report.Total().Failed).To(BeNumerically("==", s.spoilt.Load()))
			Expect(report.Failures).To(HaveLen(report.Total().Failed))
			Expect(report.Total().Requests).To(BeNumerically("==", s.asked.Load()), "one that was sent twice was asked twice")
			f := report.Failures[0]
			Expect(f.Target).To(Equal("a"))
			Expect(f.Kind).To(Equal(kind))
			Expect(f.Error).NotTo(BeEmpty())
			Expect(f.Time).To(BeTemporally("~", report.Ended, time.Minute))
		},
		func(kind load.Kind) string { return string(kind) },
		Entry(nil, load.Get), Entry(nil, load.Post), Entry(nil, load.HTTP2),
	)

	DescribeTable("counts as failed",
		func(ctx SpecContext, kind load.Kind, spoil func(http.ResponseWriter, *http.Request), says string) {
			s := newServer(every(5, spoil))
			o := s.options(load.Mix{kind: 1})
			o.MaxRequests, o.For, o.Timeout = 20, 20*time.Second, 300*time.Millisecond
			report := run(ctx, o)
			Expect(report.Total().Failed).To(BeNumerically("==", s.spoilt.Load()))
			Expect(report.Total().Failed).To(BeNumerically(">=", 4))
			Expect(report.Failures).To(HaveEach(HaveField("Error", ContainSubstring(says))))
		},
		Entry("an answer that is an error", load.Get, status(http.StatusBadGateway), "502 Bad Gateway"),
		Entry("a redirect", load.Get, status(http.StatusFound), "302 Found"),
		Entry("another body", load.Get, body("two\n"), `wrong body: release one answers "two\n"`),
		Entry("a longer body", load.Get, body("one\none\n"), "wrong body"),
		Entry("other bytes than were sent", load.Post, body("x"), "wrong body"),
		Entry("an answer of somebody else", load.Get, nobody, "no release gave it"),
		Entry("an answer that ends too early", load.Get, short, "truncated after 3 bytes"),
		Entry("an answer that ends too early, on HTTP/2", load.HTTP2, short, "truncated after 3 bytes"),
		Entry("no answer in time", load.Get, late, "no answer in time"),
	)

	It("counts a kept connection that the server closed without a word", func(ctx SpecContext) {
		s := newServer(func(s *server) { s.Config.IdleTimeout = 10 * time.Millisecond })
		o := s.options(load.Mix{load.Get: 1, load.Post: 1})
		o.Pause, o.MaxRequests = 60*time.Millisecond, 10
		report := run(ctx, o)
		Expect(report.Of("a", load.Get).Failed).To(BeNumerically(">=", 2), "Go's own client would have asked again")
		Expect(report.Of("a", load.Post).Failed).To(BeNumerically(">=", 2))
	})

	It("takes a goodbye as one", func(ctx SpecContext) {
		s := newServer(func(s *server) { s.Config.SetKeepAlivesEnabled(false) })
		o := s.options(load.Mix{load.Get: 2, load.Post: 2})
		o.MaxRequests = 100
		report := run(ctx, o)
		Expect(report.Total().Failed).To(BeZero())
		Expect(report.Total().Opened).To(Equal(report.Total().Requests))
	})

	It("counts those to whom nobody listens", func(ctx SpecContext) {
		s := newServer()
		p := newProxy(s.Listener.Addr().String())
		o := s.optionsAt(p.Addr().String(), load.Full())
		Expect(p.Close()).To(Succeed())
		o.For = 300 * time.Millisecond
		report := run(ctx, o)
		Expect(report.Total().Failed).To(Equal(report.Total().Requests))
		Expect(report.Total().Failed).To(BeNumerically(">=", 32))
	})
})

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func body(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func nobody(w http.ResponseWriter, _ *http.Request) {
	w.Header().Del("X-Release")
	_, _ = w.Write([]byte("one\n"))
}

func short(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "4")
	_, _ = w.Write([]byte("one"))
	_ = http.NewResponseController(w).Flush()
	drop(w, r)
}

func late(_ http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(5 * time.Second):
	}
}
