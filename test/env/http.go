package env

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"time"
)

// caddyRoot is the certificate of Caddy's internal CA on a host.
const caddyRoot = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"

// CA is the certificate of Caddy's internal CA on this host, which is there once Caddy has run.
func (h *Host) CA(ctx context.Context) ([]byte, error) {
	certificate, err := h.Read(ctx, caddyRoot)
	if err != nil {
		return nil, fmt.Errorf("trusting Caddy's CA: %w", err)
	}
	return certificate, nil
}

// HTTP returns a client that reaches this host whatever name the URL says, keeping the port, and
// that trusts the host's own CA: https://web.example.com/ is Caddy on this host. It follows no
// redirects.
func (h *Host) HTTP(ctx context.Context) (*http.Client, error) {
	certificate, err := h.CA(ctx)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate) {
		return nil, fmt.Errorf("trusting Caddy's CA: %s on %s is not a certificate", caddyRoot, h.Name)
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, fmt.Errorf("dialling %s: %w", address, err)
			}
			return dialer.DialContext(ctx, network, net.JoinHostPort(h.Addr, port))
		},
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2: true,
		MaxIdleConns:      100, MaxIdleConnsPerHost: 100,
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
