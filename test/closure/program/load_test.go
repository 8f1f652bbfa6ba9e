package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"deployer/test/load"
)

// The load generator and the program were made for each other.
func TestEveryKindOfConnectionIsServed(t *testing.T) {
	server := httptest.NewUnstartedServer(handler(settings{Release: "v1", HealthStatus: 200}, time.Now()))
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

func TestEchoLeavesNothingOut(t *testing.T) {
	server := httptest.NewServer(handler(settings{Release: "v1"}, time.Now()))
	defer server.Close()
	sent := strings.Repeat("0123456789", 100_000)
	response, err := server.Client().Post(server.URL+"/echo", "text/plain", strings.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var got strings.Builder
	if err := response.Write(&got); err != nil || response.StatusCode != http.StatusOK || !strings.HasSuffix(got.String(), "\r\n\r\n"+sent) {
		t.Errorf("%d bytes came back of %d: %v", got.Len(), len(sent), err)
	}
}
