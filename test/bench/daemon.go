package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
	"deployer/providers/objectstore"
)

// daemon is the running biz-deployer of this host, and the manifest that it obeys.
type daemon struct {
	repository *manifest.Repository
	control    *http.Client
}

// openDaemon makes the first manifest, with the store and the keys that onHost gave.
func openDaemon(ctx context.Context) (*daemon, error) {
	store := os.Getenv(storeVariable)
	objects, err := objectstore.Open(ctx, store, objectstore.Options{})
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	d := &daemon{
		repository: manifest.NewRepository(manifest.Options{Objects: objects, StoreName: store}),
		control: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", "/run/biz-deployer/control.sock")
		}}},
	}
	_, err = d.repository.Init(ctx, manifest.EditOptions{By: "bench"})
	return d, err
}

// write puts the services into the manifest, each in the place of the one of its name.
func (d *daemon) write(ctx context.Context, services ...v1.Service) error {
	_, err := d.repository.Edit(ctx, manifest.EditOptions{By: "bench"}, func(m *v1.Manifest) error {
		for _, s := range services {
			if there := m.Service(s.Name); there != nil {
				*there = s
				continue
			}
			m.Services = append(m.Services, s)
		}
		return nil
	})
	return err
}

func (d *daemon) ask(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://deployer"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := d.control.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the daemon: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the daemon answers %s: %s", response.Status, body)
	}
	return body, err
}

// sync makes the daemon look at the manifest, as `deployerctl sync` does.
func (d *daemon) sync(ctx context.Context) error {
	body, err := d.ask(ctx, http.MethodPost, "/v1/sync")
	if err == nil && bytes.Contains(body, []byte(`"problem"`)) {
		err = errors.New("the daemon does not obey: " + string(body))
	}
	return err
}

// settled waits until every service runs what its entry wants, soaked and pruned.
func (d *daemon) settled(ctx context.Context, services ...v1.Service) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	want := map[string]string{}
	for _, s := range services {
		want[s.Name] = s.Artifact.StorePath
	}
	for {
		body, err := d.ask(ctx, http.MethodGet, "/v1/status")
		if err != nil {
			return err
		}
		var state v1.HostState
		if err := json.Unmarshal(body, &state); err != nil {
			return err
		}
		there := 0
		for _, s := range state.Services {
			if s.State == v1.Settled && s.Health == v1.Healthy && s.Serving.StorePath == want[s.Name] {
				there++
			}
		}
		if there == len(want) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d services are settled: %s", there, len(want), body)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// alone waits until a service has no standby: one that drains is in the way of the next
// release, for as long as Caddy keeps idle connections to it.
func (d *daemon) alone(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		body, err := d.ask(ctx, http.MethodGet, "/v1/status")
		if err != nil {
			return err
		}
		var state v1.HostState
		if err := json.Unmarshal(body, &state); err != nil {
			return err
		}
		for _, s := range state.Services {
			if _, standby := s.Slots[v1.Standby]; s.Name == name && !standby {
				return nil
			}
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("waiting for the standby of %s to go: %w", name, err)
		}
	}
}

func lastLines(s string, n int) string {
	lines := strings.SplitAfter(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
