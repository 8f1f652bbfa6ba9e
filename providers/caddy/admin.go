package caddy

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
	"strings"
	"sync"
	"syscall"
	"time"

	"deployer/providers"
)

const (
	reasonUnreachable = "CaddyUnreachable"
	reasonRefused     = "CaddyRefused"
	reasonTooOld      = "CaddyTooOld"
	// maxConfig is Caddy's own limit for a configuration.
	maxConfig = 100 << 20
)

// admin speaks to Caddy's admin API.
type admin struct {
	// name is the endpoint as it was given, for people.
	name    string
	network string
	address string
	base    string
	client  *http.Client
}

// newAdmin understands unix//path (with or without |mode), http://host:port and host:port.
func newAdmin(endpoint string) (*admin, error) {
	a := &admin{name: endpoint}
	switch {
	case endpoint == "":
		return nil, errors.New("the address of Caddy's admin API is missing: unix//run/caddy/admin.sock or http://localhost:2019")
	case strings.HasPrefix(endpoint, "unix/"):
		path, _, _ := strings.Cut(strings.TrimPrefix(endpoint, "unix/"), "|")
		a.network, a.address, a.base = "unix", path, "http://caddy"
		if !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("admin address %q: expected an absolute path, unix//run/caddy/admin.sock", endpoint)
		}
	default:
		u, err := url.Parse("http://" + strings.TrimPrefix(afterNetwork(endpoint), "http://"))
		if err != nil || u.Port() == "" || strings.Contains(strings.TrimPrefix(endpoint, "http://"), "://") {
			return nil, fmt.Errorf("admin address %q: expected unix//run/caddy/admin.sock or http://localhost:2019", endpoint)
		}
		a.network, a.address, a.base = "tcp", u.Host, "http://"+u.Host
	}
	// A connection for each request: they are few, and Caddy closes the idle ones with
	// every change. No proxy, whatever the environment says.
	a.client = &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: a.dial},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	return a, nil
}

func (a *admin) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, a.network, a.address)
}

// keeping gives the same endpoint with a connection that is kept between requests; ended
// is called whenever one ends, whoever ends it.
func (a *admin) keeping(ended func()) *admin {
	kept := *a
	kept.client = &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 1,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := a.dial(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return &keptConn{Conn: conn, ended: ended}, nil
			},
		},
		CheckRedirect: a.client.CheckRedirect,
	}
	return &kept
}

// keptConn tells of its end: the transport closes a connection that the other side closed.
type keptConn struct {
	net.Conn
	once  sync.Once
	ended func()
}

func (c *keptConn) Close() error {
	c.once.Do(c.ended)
	return c.Conn.Close()
}

// answer is what the admin API said.
type answer struct {
	status int
	etag   string
	body   []byte
}

// get reads the whole configuration and its etag. It asks again when it was dropped.
func (a *admin) get(ctx context.Context) (string, []byte, error) {
	var got answer
	var err error
	for attempt := range attempts {
		got, err = a.do(ctx, &request{method: http.MethodGet, path: "/config/"}, "")
		if !dropped(err) || after(ctx, 5*time.Millisecond<<attempt) != nil {
			break
		}
	}
	if err != nil {
		return "", nil, err
	}
	if got.status != http.StatusOK {
		return "", nil, a.refused("to tell its configuration", got)
	}
	return got.etag, got.body, nil
}

// send writes under If-Match; a lost race is ErrConflict.
func (a *admin) send(ctx context.Context, r *request, etag string) error {
	got, err := a.do(ctx, r, etag)
	switch {
	case err != nil:
		return err
	case got.status == http.StatusPreconditionFailed:
		return fmt.Errorf("changing Caddy's routes: %w", providers.ErrConflict)
	case got.status != http.StatusOK:
		return a.refused("the change of our routes, and goes on as before", got)
	}
	return nil
}

func (a *admin) do(ctx context.Context, r *request, etag string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, a.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, fmt.Errorf("asking Caddy's admin API: %w", err)
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if etag != "" {
		req.Header.Set("If-Match", etag)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return answer{}, a.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxConfig+1))
	if err != nil {
		return answer{}, a.unreachable(err)
	}
	if len(body) > maxConfig {
		return answer{}, a.strange(fmt.Errorf("over %d bytes", maxConfig))
	}
	return answer{resp.StatusCode, resp.Header.Get("Etag"), body}, nil
}

// unreachable is every way of getting no answer; the effect of a write is then unknown.
func (a *admin) unreachable(cause error) error {
	what := "does not answer: see systemctl status caddy, and caddy.admin in /etc/biz-deployer/config.yaml"
	switch {
	case errors.Is(cause, context.DeadlineExceeded):
		what = "did not answer in time: see systemctl status caddy"
	case errors.Is(cause, syscall.EACCES):
		what = "may not be used by this user: run as root"
	}
	return &providers.Fault{
		Reason:  reasonUnreachable,
		Message: fmt.Sprintf("Caddy's admin API at %s %s", a.name, what),
		Err:     fmt.Errorf("%w: %w", providers.ErrUnavailable, cause),
	}
}

// dropped: a connection was accepted and closed without an answer. Caddy replaces its
// admin endpoint with every change, whoever makes it, and drops some of the connections
// that come at that moment. A write may have happened.
func dropped(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// refused carries Caddy's own words.
func (a *admin) refused(what string, got answer) error {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(got.body, &said) != nil || said.Error == "" {
		return a.strange(fmt.Errorf("status %d", got.status))
	}
	return &providers.Fault{
		Reason:  reasonRefused,
		Message: fmt.Sprintf("Caddy refuses %s: %s", what, said.Error),
	}
}

// strange: somebody answers who does not talk like Caddy.
func (a *admin) strange(cause error) error {
	return &providers.Fault{
		Reason:  reasonUnreachable,
		Message: fmt.Sprintf("what answers at %s is not Caddy's admin API: check caddy.admin in /etc/biz-deployer/config.yaml", a.name),
		Err:     fmt.Errorf("%w: %w", providers.ErrUnavailable, cause),
	}
}
