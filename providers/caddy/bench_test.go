package caddy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"deployer/providers"
)

// BenchmarkObserve is one pass over 1,000 services whose routes are as wanted: one GET,
// nothing parsed because the etag is the same.
func BenchmarkObserve(b *testing.B) {
	const services = 1000
	o := Options{Paths: providers.DefaultPaths(), Listen: []string{":443"}}
	var elements []element
	var routes []providers.Route
	for i := range services {
		r := providers.Route{Service: fmt.Sprintf("s%d", i), Domains: []string{fmt.Sprintf("s%d.example.com", i)}, Path: "/"}
		e, err := o.route(r)
		if err != nil {
			b.Fatal(err)
		}
		routes, elements = append(routes, r), append(elements, e)
	}
	req, err := encode("", "", map[string]any{"apps": map[string]any{"http": map[string]any{"servers": map[string]any{"s": o.newServer(elements)}}}})
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `"/config/ 1"`)
		_, _ = w.Write(req.body)
	})}
	go func() { _ = srv.Serve(l) }()
	defer func() { _ = srv.Close() }()
	o.Admin = "http://" + l.Addr().String()
	c, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c.reads.forget()
		for i := range routes {
			facts, err := c.Observe(context.Background(), routes[i].Service, &routes[i])
			if err != nil || !facts.Current {
				b.Fatal(facts, err)
			}
		}
	}
}
