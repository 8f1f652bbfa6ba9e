package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// asker asks a service through Caddy, as a client on a keep-alive connection does.
type asker struct {
	client *http.Client
	url    string
}

// answer is what the test program says of itself.
type answer struct {
	Release string `json:"release"`
	PID     int    `json:"pid"`
}

func newAsker(domain string) (*asker, error) {
	const root = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"
	certificate, err := os.ReadFile(root)
	if err != nil {
		return nil, fmt.Errorf("trusting Caddy's CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate) {
		return nil, fmt.Errorf("trusting Caddy's CA: %s is not a certificate", root)
	}
	var dialer net.Dialer
	return &asker{url: "https://" + domain + "/info", client: &http.Client{
		Timeout: 20 * time.Second,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "tcp", "127.0.0.1:443")
			},
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		},
	}}, nil
}

// between questions: short beside what is measured, and long enough to leave the two cores
// of a small machine to those who work.
const between = time.Millisecond

// until asks until an answer fits; errors in between are what a client would see, too, and
// are no answers.
func (a *asker) until(ctx context.Context, fits func(answer) bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		got, err := a.ask(ctx)
		if err == nil && fits(got) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for an answer: the last was %+v, %w", got, err)
		}
		time.Sleep(between)
	}
}

func (a *asker) ask(ctx context.Context) (got answer, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, nil)
	if err != nil {
		return got, err
	}
	response, err := a.client.Do(request)
	if err != nil {
		return got, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return got, fmt.Errorf("it answers %s", response.Status)
	}
	return got, json.NewDecoder(response.Body).Decode(&got)
}
