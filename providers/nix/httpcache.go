package nix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"deployer/providers"
)

// OpenHTTPCache reads a binary cache behind an http or https URL as a store of objects,
// so that it takes the same way as any other: walk, gateway, reasons. It cannot be written.
func OpenHTTPCache(rawURL string) (providers.Objects, error) {
	u, err := url.Parse(rawURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("opening a binary cache: the URL is not http://host or https://host")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		// A parameter like ?trusted=1 would switch signatures off if Nix ever saw it.
		return nil, fmt.Errorf("opening binary cache %s: credentials and parameters do not belong in its URL", u.Host)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	transport.ResponseHeaderTimeout = 15 * time.Second
	transport.MaxIdleConnsPerHost = walkers
	transport.DisableCompression = true
	return &httpCache{base: strings.TrimSuffix(u.String(), "/") + "/", client: &http.Client{Transport: transport}}, nil
}

type httpCache struct {
	base   string
	client *http.Client
}

var _ providers.Objects = (*httpCache)(nil)

// errReadOnly is the answer to every write.
var errReadOnly = fmt.Errorf("a binary cache over HTTP can only be read: %w", errors.ErrUnsupported)

// Get opens an object.
func (c *httpCache) Get(ctx context.Context, key string, o providers.GetOptions) (*providers.Object, error) {
	resp, err := c.do(ctx, http.MethodGet, key, o)
	if err != nil {
		return nil, err
	}
	info := infoOf(key, resp)
	body := resp.Body
	switch {
	case o.Offset > 0 && resp.StatusCode == http.StatusPartialContent && info.Size >= 0:
		info.Size += o.Offset
	case o.Offset > 0 && resp.StatusCode == http.StatusOK:
		// The server does not do ranges; reading past the beginning is the same to the caller.
		if _, err := io.CopyN(io.Discard, body, o.Offset); err != nil && !errors.Is(err, io.EOF) {
			_ = body.Close()
			return nil, c.unreachable(key, err)
		}
	}
	if o.MaxBytes > 0 {
		body = &bounded{ReadCloser: body, left: o.MaxBytes}
	}
	return &providers.Object{ObjectInfo: info, Body: body}, nil
}

// Stat is Get without the body.
func (c *httpCache) Stat(ctx context.Context, key string) (providers.ObjectInfo, error) {
	resp, err := c.do(ctx, http.MethodHead, key, providers.GetOptions{})
	if err != nil {
		return providers.ObjectInfo{}, err
	}
	defer resp.Body.Close()
	return infoOf(key, resp), nil
}

// Put fails: the cache can only be read.
func (c *httpCache) Put(context.Context, string, io.ReadSeeker, providers.PutOptions) (providers.ObjectInfo, error) {
	return providers.ObjectInfo{}, errReadOnly
}

// List fails: HTTP has no listing.
func (c *httpCache) List(context.Context, string) ([]providers.ObjectInfo, error) {
	return nil, fmt.Errorf("listing a binary cache over HTTP: %w", errors.ErrUnsupported)
}

// Delete fails: the cache can only be read.
func (c *httpCache) Delete(context.Context, string) error { return errReadOnly }

func (c *httpCache) do(ctx context.Context, method, key string, o providers.GetOptions) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+key, nil)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", key, err)
	}
	if o.IfNoneMatch != "" {
		req.Header.Set("If-None-Match", o.IfNoneMatch)
	}
	if o.Offset > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(o.Offset, 10)+"-")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, c.unreachable(key, err)
	}
	if err := c.answer(key, resp.StatusCode); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

func (c *httpCache) answer(key string, status int) error {
	switch status {
	case http.StatusOK, http.StatusPartialContent:
		return nil
	case http.StatusNotModified:
		return fmt.Errorf("reading %s: %w", key, providers.ErrNotModified)
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("reading %s: %w", key, providers.ErrNotFound)
	case http.StatusUnauthorized, http.StatusForbidden:
		return &providers.Fault{
			Reason:  "AccessDenied",
			Message: fmt.Sprintf("binary cache %s refuses to give %s (HTTP %d); it must be readable without credentials", c.base, key, status),
			Err:     providers.ErrUnavailable,
		}
	}
	return &providers.Fault{
		Reason:  "StoreUnreachable",
		Message: fmt.Sprintf("binary cache %s answered HTTP %d to %s", c.base, status, key),
		Err:     providers.ErrUnavailable,
	}
}

func (c *httpCache) unreachable(key string, err error) error {
	return &providers.Fault{
		Reason:  "StoreUnreachable",
		Message: fmt.Sprintf("binary cache %s gives no answer to %s; check the network and the URL", c.base, key),
		Err:     unknown(err),
	}
}

func infoOf(key string, resp *http.Response) providers.ObjectInfo {
	modified, _ := http.ParseTime(resp.Header.Get("Last-Modified"))
	return providers.ObjectInfo{Key: key, ETag: resp.Header.Get("ETag"), Size: resp.ContentLength, ModifiedAt: modified}
}

// bounded fails when a body is longer than allowed, instead of cutting it.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errors.New("the object is longer than it may be")
	}
	return n, err
}
