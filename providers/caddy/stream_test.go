package caddy

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
)

var _ = Describe("a websocket through a route", func() {
	It("stays open while other routes are written and its own traffic moves", func(ctx SpecContext) {
		s := startCaddy("unix", foreign...)
		c := s.client()
		Expect(c.Put(ctx, web)).To(Succeed())
		time.Sleep(settling)
		s.shift("web", echoing())
		conn, lines := upgrade(s.listen)
		say := func(word string) {
			GinkgoHelper()
			_, err := fmt.Fprintln(conn, word)
			Expect(err).NotTo(HaveOccurred())
			Expect(lines.ReadString('\n')).To(Equal(word + "\n"))
		}
		say("before")
		Expect(c.Put(ctx, api)).To(Succeed())
		Expect(c.Put(ctx, providers.Route{Service: "other", Domains: []string{"other.example.com"}})).To(Succeed())
		time.Sleep(settling)
		say("after two changes of the configuration")
		s.shift("web", sayingName("new"))
		status, body := s.ask("web.example.com", "/")
		Expect(status).To(Equal(http.StatusOK))
		Expect(body).To(Equal("new"))
		say("after the shift")
	})
})

// echoing is a backend that switches protocols and sends back what it gets.
func echoing() string {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(line))
		}
	})}
	go func() { _ = srv.Serve(l) }()
	DeferCleanup(srv.Close)
	return l.Addr().String()
}

// upgrade opens a websocket through Caddy, as far as Caddy looks.
func upgrade(listen string) (net.Conn, *bufio.Reader) {
	GinkgoHelper()
	conn, err := net.Dial("tcp", listen)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(conn.Close)
	Expect(conn.SetDeadline(time.Now().Add(20 * time.Second))).To(Succeed())
	_, err = conn.Write([]byte("GET /ws HTTP/1.1\r\nHost: web.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n"))
	Expect(err).NotTo(HaveOccurred())
	lines := bufio.NewReader(conn)
	resp, err := http.ReadResponse(lines, nil)
	Expect(err).NotTo(HaveOccurred())
	Expect(resp.StatusCode).To(Equal(http.StatusSwitchingProtocols))
	return conn, lines
}
