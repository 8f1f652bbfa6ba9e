package caddy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
)

const (
	moves = 4
	// settling is waited after a change of Caddy's configuration, which drops some of the
	// connections that come at that moment. That is why traffic is not moved by one, and
	// not what is shown here.
	settling = 200 * time.Millisecond
)

var _ = Describe("traffic through a route", func() {
	It("moves by renaming the upstream file without losing a request", func(ctx SpecContext) {
		s := startCaddy("unix", foreign...)
		Expect(s.client().Put(ctx, web)).To(Succeed())
		time.Sleep(settling)
		serving := startBackend("v0")
		s.shift("web", serving.address)

		loading, stop := context.WithCancel(ctx)
		defer stop()
		var load traffic
		for i := range 8 {
			method := []string{http.MethodGet, http.MethodPost}[i%2]
			load.all.Go(func() { load.run(loading, s.listen, method) })
		}
		for i := range moves {
			Eventually(serving.asked.Load).WithTimeout(10*time.Second).Should(BeNumerically(">", 100), serving.name)
			next := startBackend(fmt.Sprintf("v%d", i+1))
			s.shift("web", next.address)
			serving.drain()
			serving = next
		}
		stop()
		load.all.Wait()
		GinkgoWriter.Printf("%d GETs and %d POSTs over %d moves\n", load.gets.Load(), load.posts.Load(), moves)
		Expect(load.failures).To(BeEmpty())
		Expect(load.gets.Load()).To(BeNumerically(">", 500))
		Expect(load.posts.Load()).To(BeNumerically(">", 500))
	})

	DescribeTable("waits, and is served later,",
		func(ctx SpecContext, prepare func(*caddyServer)) {
			s := startCaddy("unix", foreign...)
			Expect(s.client().Put(ctx, web)).To(Succeed())
			prepare(s)
			time.Sleep(settling)
			var answers sync.WaitGroup
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				answers.Go(func() {
					defer GinkgoRecover()
					resp, err := send(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, s.listen, method)
					Expect(err).NotTo(HaveOccurred())
					Expect(resp).To(Equal("late"))
				})
			}
			time.Sleep(300 * time.Millisecond)
			s.shift("web", startBackend("late").address)
			answers.Wait()
		},
		Entry("survives F36: while the upstream file is missing", func(*caddyServer) {}),
		Entry("survives F36: while it is empty", func(s *caddyServer) { writeUpstream(s, "") }),
		Entry("survives F36: while it points nowhere", func(s *caddyServer) { s.shift("web", env.FreeAddress(GinkgoT())) }),
	)
})

// backend counts its requests and connections, as the drain step does from outside.
type backend struct {
	name, address string
	server        *http.Server
	asked         atomic.Int64
	mu            sync.Mutex
	open          map[net.Conn]bool
}

func startBackend(name string) *backend {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	b := &backend{name: name, address: l.Addr().String(), open: map[net.Conn]bool{}}
	b.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b.asked.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			time.Sleep(2 * time.Millisecond)
			_, _ = io.WriteString(w, name)
		}),
		ConnState: func(c net.Conn, state http.ConnState) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if state == http.StateNew {
				b.open[c] = true
			}
			if state == http.StateClosed {
				delete(b.open, c)
			}
		},
	}
	go func() { _ = b.server.Serve(l) }()
	DeferCleanup(b.server.Close)
	return b
}

// drain waits until Caddy has closed its idle connections, and then dies without grace.
func (b *backend) drain() {
	GinkgoHelper()
	time.Sleep(300 * time.Millisecond)
	Eventually(func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.open)
	}).WithTimeout(10 * time.Second).Should(BeZero())
	Expect(b.server.Close()).To(Succeed())
}

// traffic is what clients with keep-alive connections saw.
type traffic struct {
	all         sync.WaitGroup
	gets, posts atomic.Int64
	mu          sync.Mutex
	failures    []string
}

func (t *traffic) run(ctx context.Context, listen, method string) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	for ctx.Err() == nil {
		// Not the context of the load: a request that has begun is finished.
		answer, err := send(context.WithoutCancel(ctx), client, listen, method)
		if err != nil || !strings.HasPrefix(answer, "v") {
			t.mu.Lock()
			t.failures = append(t.failures, fmt.Sprintf("%s: %q %v", method, answer, err))
			t.mu.Unlock()
		} else if method == http.MethodGet {
			t.gets.Add(1)
		} else {
			t.posts.Add(1)
		}
		time.Sleep(time.Millisecond)
	}
}

func send(ctx context.Context, client *http.Client, listen, method string) (string, error) {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(strings.Repeat("x", 2000))
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+listen+"/", body)
	if err != nil {
		return "", err
	}
	req.Host = "web.example.com"
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", resp.Status)
	}
	return string(answer), err
}
