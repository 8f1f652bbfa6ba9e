package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"

	v1 "deployer/api/v1"
	"deployer/providers"
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
	return out, c.ask(ctx, http.MethodGet, PathStatus, nil, nil, &out)
}

// Plan asks what the next pass would do; an empty service asks about all.
func (c *Client) Plan(ctx context.Context, service string) (out PlanAnswer, err error) {
	return out, c.ask(ctx, http.MethodGet, PathPlan, url.Values{"service": {service}}, nil, &out)
}

// Sync makes the daemon look at the manifest now.
func (c *Client) Sync(ctx context.Context) (out SyncAnswer, err error) {
	return out, c.ask(ctx, http.MethodPost, PathSync, nil, nil, &out)
}

// Adopt makes the daemon obey the lineage that the store has.
func (c *Client) Adopt(ctx context.Context) (out AdoptAnswer, err error) {
	return out, c.ask(ctx, http.MethodPost, PathAdopt, nil, nil, &out)
}

// Events asks for the events of a service, or of all.
func (c *Client) Events(ctx context.Context, service string) (out EventsAnswer, err error) {
	return out, c.ask(ctx, http.MethodGet, PathEvents, url.Values{"service": {service}}, nil, &out)
}

// ask puts a question, with a body when in is not nil.
func (c *Client) ask(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://deployer"+path+"?"+query.Encode(), body)
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
		return refusal(response)
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the daemon's answer: %w", err)
	}
	return nil
}

// refusal is the daemon's own sentence, with its reason.
func refusal(response *http.Response) error {
	var answer ErrorAnswer
	switch err := json.NewDecoder(response.Body).Decode(&answer); {
	case err == nil && answer.Error != "":
		return &providers.Fault{Reason: answer.Reason, Message: answer.Error}
	case response.StatusCode == http.StatusNotFound:
		return errors.New("the daemon that runs is older than this command and does not know it: `systemctl restart biz-deployer` starts the installed one")
	}
	return fmt.Errorf("the daemon answers %s", response.Status)
}
