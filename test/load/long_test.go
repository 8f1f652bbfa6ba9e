package load_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/load"
)

var _ = Describe("A websocket", func() {
	It("that a proxy cuts is one failure each time, and opened again", func(ctx SpecContext) {
		s := newServer()
		p := newProxy(s.Listener.Addr().String())
		o := s.optionsAt(p.Addr().String(), load.Mix{load.WebSocket: 2})
		o.For = 4 * time.Second
		cut := make(chan int, 1)
		go func() {
			time.Sleep(1500 * time.Millisecond)
			cut <- p.cut()
		}()
		report := run(ctx, o)
		Expect(cut).To(Receive(Equal(2)))
		line := report.Of("a", load.WebSocket)
		Expect(line.Failed).To(Equal(2))
		Expect(line.Opened).To(Equal(4))
		Expect(report.Failures).To(HaveEach(HaveField("Error", ContainSubstring("cut after 2 messages"))))
	})

	It("that was cut after its last message is seen at the end", func(ctx SpecContext) {
		s := newServer()
		p := newProxy(s.Listener.Addr().String())
		o := s.optionsAt(p.Addr().String(), load.Mix{load.WebSocket: 1})
		ctx2, end := context.WithCancel(ctx)
		ready := make(chan struct{})
		o.Ready = ready
		go func() {
			<-ready
			p.cut()
			_ = p.Close()
			end()
		}()
		report := run(ctx2, o)
		Expect(report.Of("a", load.WebSocket).Failed).To(Equal(1))
	})
})

var _ = Describe("A download", func() {
	spoilt := func(send func(w http.ResponseWriter, content []byte)) *server {
		return newServer(every(1, func(w http.ResponseWriter, r *http.Request) {
			content := numbered(r)
			w.Header().Set("Content-Length", strconv.Itoa(len(content)))
			send(w, content)
		}))
	}
	fails := func(ctx context.Context, s *server, says string) {
		GinkgoHelper()
		o := s.options(load.Mix{load.Download: 1})
		o.MaxRequests, o.For = 1, 10*time.Second
		report := run(ctx, o)
		Expect(report.Total().Failed).To(BeNumerically(">=", 1))
		Expect(report.Total().Failed).To(Equal(report.Total().Requests))
		Expect(report.Failures).To(HaveEach(HaveField("Error", MatchRegexp(says))))
	}

	It("with one wrong byte fails", func(ctx SpecContext) {
		s := spoilt(func(w http.ResponseWriter, content []byte) {
			content[len(content)/2]++
			_, _ = w.Write(content)
		})
		fails(ctx, s, `wrong bytes between \d+ and \d+`)
	})

	It("with one byte twice and one left out fails", func(ctx SpecContext) {
		s := spoilt(func(w http.ResponseWriter, content []byte) {
			copy(content[1000:], content[999:2000])
			_, _ = w.Write(content)
		})
		fails(ctx, s, `wrong bytes between \d+ and \d+`)
	})

	It("that ends too early fails, and says where", func(ctx SpecContext) {
		s := spoilt(func(w http.ResponseWriter, content []byte) {
			_, _ = w.Write(content[:len(content)-1])
			_ = http.NewResponseController(w).Flush()
			drop(w, nil)
		})
		fails(ctx, s, fmt.Sprintf(`truncated after %d of %d bytes`, 1<<20-1, 1<<20))
	})
})

var _ = Describe("The end of a load", func() {
	It("comes with the number of requests", func(ctx SpecContext) {
		s := newServer()
		o := s.options(load.Short())
		o.MaxRequests, o.For = 500, time.Minute
		Expect(run(ctx, o).Total().Requests).To(BeNumerically("~", 500, 400))
	})

	It("comes with the time, and what is under way gets its answer", func(ctx SpecContext) {
		s := newServer(func(s *server) {
			s.trouble = func(w http.ResponseWriter, r *http.Request) bool {
				time.Sleep(200 * time.Millisecond)
				return false
			}
		})
		o := s.options(load.Mix{load.Get: 4})
		o.For = 100 * time.Millisecond
		report := run(ctx, o)
		Expect(report.Total().Requests).To(Equal(4))
		Expect(report.Total().Failed).To(BeZero())
		Expect(report.Ended.Sub(report.Began)).To(BeNumerically("<", 5*time.Second))
	})

	It("does not come before the options make sense", func(ctx SpecContext) {
		for says, o := range map[string]load.Options{
			"no targets":           {},
			"name and host":        {Targets: []load.Target{{Name: "a", Mix: load.Short()}}},
			"is there twice":       {Targets: []load.Target{{Name: "a", Host: "a", Mix: load.Mix{load.Get: 1}}, {Name: "a", Host: "b", Mix: load.Mix{load.Get: 1}}}},
			"has no connections":   {Targets: []load.Target{{Name: "a", Host: "a"}}},
			`kind "gte" is not`:    {Targets: []load.Target{{Name: "a", Host: "a", Mix: load.Mix{"gte": 1}}}},
			"kind h2 needs TLS":    {Targets: []load.Target{{Name: "a", Host: "a", Mix: load.Mix{load.HTTP2: 1}}}},
			"0 to 1000 are possib": {Targets: []load.Target{{Name: "a", Host: "a", Mix: load.Mix{load.Get: 1001}}}},
		} {
			_, err := load.Run(ctx, o)
			Expect(err).To(MatchError(ContainSubstring(says)))
		}
	})
})

var _ = Describe("Latencies", func() {
	It("tell quantiles within 2 %, and the longest exactly", func() {
		var sum load.Latencies
		for i := range 1000 {
			sum = sum.Plus(one(time.Duration(i+1) * time.Millisecond))
		}
		Expect(sum.Max).To(Equal(time.Second))
		Expect(sum.Quantile(0.5)).To(BeNumerically("~", 500*time.Millisecond, 11*time.Millisecond))
		Expect(sum.Quantile(0.99)).To(BeNumerically("~", 990*time.Millisecond, 20*time.Millisecond))
		Expect(sum.Quantile(1)).To(Equal(time.Second))
		Expect(load.Latencies{}.Quantile(0.99)).To(BeZero())
	})
})

// one is a single measurement, as a worker of a server that takes so long would make it.
func one(d time.Duration) load.Latencies {
	var l load.Latencies
	l.Add(d)
	return l
}
