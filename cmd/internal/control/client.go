package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"

	v1 "deployer/api/v1"
)

// ErrNotRunning means that no daemon serves the socket.
var ErrNotRunning = errors.New("the daemon does not run here: `systemctl start biz-deployer` starts it, `journalctl -u biz-deployer` says why it ended")

// Client asks the daemon.
type Client struct {
	http   *http.Client
	socket string
}

// NewClient makes a client; it connects with each question.
func NewClient(socket string) *Client {
	var d net.Dialer
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", socket) },
	}}}
}

// Status asks for the state of the host.
func (c *Client) Status(ctx context.Context) (out v1.HostState, err error) {
	return out, c.ask(ctx, http.MethodGet, PathStatus, nil, &out)
}

// Plan asks what the next pass would do; an empty service asks about all.
func (c *Client) Plan(ctx context.Context, service string) (out PlanAnswer, err error) {
	return out, c.ask(ctx, http.MethodGet, PathPlan, url.Values{"service": {service}}, &out)
}

// Sync makes the daemon look at the manifest now.
func (c *Client) Sync(ctx context.Context) (out SyncAnswer, err error) {
	return out, c.ask(ctx, http.MethodPost, PathSync, nil, &out)
}

// Adopt makes the daemon obey the lineage that the store has.
func (c *Client) Adopt(ctx context.Context) (out AdoptAnswer, err error) {
	return out, c.ask(ctx, http.MethodPost, PathAdopt, nil, &out)
}

// Events asks for the events of a service, or of all.
func (c *Client) Events(ctx context.Context, service string) (out EventsAnswer, err error) {
	return out, c.ask(ctx, http.MethodGet, PathEvents, url.Values{"service": {service}}, &out)
}

func (c *Client) ask(ctx context.Context, method, path string, query url.Values, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://deployer"+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	var refused *net.OpError
	switch {
	case errors.As(err, &refused) && ctx.Err() == nil:
		if errors.Is(err, os.ErrPermission) {
			return fmt.Errorf("the daemon's socket %s is for root only: use sudo: %w", c.socket, os.ErrPermission)
		}
		return ErrNotRunning
	case err != nil:
		return fmt.Errorf("asking the daemon: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		var answer ErrorAnswer
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Error == "" {
			return fmt.Errorf("the daemon answers %s", response.Status)
		}
		return errors.New(answer.Error)
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return nil
}
