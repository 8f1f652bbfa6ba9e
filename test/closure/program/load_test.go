package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"deployer/test/load"
)

// The load generator and the program were made for each other.
func TestEveryKindOfConnectionIsServed(t *testing.T) {
	server := httptest.NewUnstartedServer(handlerOf(t, 0))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	report, err := load.Run(t.Context(), load.Options{
		Targets: []load.Target{{Name: "v1", Host: "example.com", Mix: load.Full()}},
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
		TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, For: 5 * time.Second, DownloadFor: time.Second, DownloadBytes: 64 << 10,
		Pause: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Total().Failed > 0 {
		t.Error(report)
	}
	for _, kind := range load.Kinds() {
		if line := report.Of("v1", kind); line.Releases["v1"] == 0 {
			t.Errorf("no %s was served: %+v", kind, line)
		}
	}
}
