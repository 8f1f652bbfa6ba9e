package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/test/env"
)

// patience bounds every wait of the demo.
const patience = 60 * time.Second

// until asks again and again until there is nothing left to complain of.
func until(ctx context.Context, complaint func() error) (took time.Duration, err error) {
	began := time.Now()
	for {
		err := complaint()
		took = time.Since(began)
		switch {
		case err == nil:
			return took, nil
		case ctx.Err() != nil:
			return took, ctx.Err()
		case took > patience:
			return took, fmt.Errorf("%w, for %s", err, patience)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// web is what a host says of the service.
func web(ctx context.Context, h *env.Host) (v1.ServiceState, error) {
	out, said, _ := h.Exec(ctx, "deployerctl", "status", "-o", "json") // its exit code tells the state
	var all v1.HostState
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return v1.ServiceState{}, fmt.Errorf("deployerctl status on %s: %w: %s", h.Name, err, said)
	}
	for _, st := range all.Services {
		if st.Name == service {
			return st, nil
		}
	}
	return v1.ServiceState{}, fmt.Errorf("%s does not know %s", h.Name, service)
}

// answers waits until each host answers over https, through its Caddy, with the release.
func (d *demo) answers(ctx context.Context, release string, hosts ...*env.Host) error {
	for _, h := range hosts {
		var answer string
		if _, err := until(ctx, func() (err error) {
			if answer, err = d.ask(ctx, h); err == nil && !strings.Contains(answer, release) {
				err = fmt.Errorf("https://%s/ on %s answers %q, and not with %s", domain, h.Name, answer, release)
			}
			return err
		}); err != nil {
			return err
		}
		d.note("https://%s/ on %s answers %q", domain, h.Name, answer)
	}
	return nil
}

func (d *demo) ask(ctx context.Context, h *env.Host) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+domain+"/", nil)
	if err != nil {
		return "", err
	}
	response, err := d.https[h.Name].Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("https://%s/ on %s answers %s: %s", domain, h.Name, response.Status, body)
	}
	return strings.TrimSpace(string(body)), err
}
