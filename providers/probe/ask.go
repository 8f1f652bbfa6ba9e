package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// maxBody and maxHeader bound what one answer may cost us. More than maxBody is not a
// fault: the rest is not read.
const (
	maxBody   = 64 << 10
	maxHeader = 64 << 10
)

func askTCP(ctx context.Context, port int) providers.ProbeResult {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp4", address(port))
	if err != nil {
		return failed(err)
	}
	_ = conn.Close()
	return providers.ProbeResult{OK: true, Answer: "accepted"}
}

// askHTTP opens a fresh connection, so that it meets the process that listens now, and
// goes through no proxy. Redirects are answers like others.
func askHTTP(ctx context.Context, r providers.ProbeRequest) providers.ProbeResult {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target(r), nil)
	if err != nil {
		return unwell(ReasonBadAnswer, err.Error())
	}
	req.Host = r.Host
	req.Close = true
	req.Header.Set("User-Agent", "biz-deployer")
	// Asked for plainly, so that the cap is on what travels.
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = resp.Body.Close() }()
	// An answer counts when it is there: one that stalls half-way is no answer.
	if _, err := io.CopyN(io.Discard, resp.Body, maxBody); err != nil && !errors.Is(err, io.EOF) {
		return failed(err)
	}
	if !well(r.Health, resp.StatusCode) {
		return unwell(ReasonWrongStatus, describe(resp, r.Health))
	}
	return providers.ProbeResult{OK: true, Answer: describe(resp, v1.Health{})}
}

// well: the named status; with a path 2xx and 3xx; else all below 500.
func well(h v1.Health, status int) bool {
	switch {
	case h.Status != 0:
		return status == h.Status
	case h.Path != "":
		return status >= 200 && status < 400
	}
	return status < 500
}

// describe never quotes the answer: error pages show environments, and the result goes
// into a status that everybody may read.
func describe(resp *http.Response, wanted v1.Health) string {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
	if wanted.Status != 0 {
		text += fmt.Sprintf(", wanted %d", wanted.Status)
	}
	return text
}

// failed is the answer of an instance that gave none.
func failed(err error) providers.ProbeResult {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return unwell(ReasonTimedOut, "no whole answer within the timeout")
	case errors.Is(err, syscall.ECONNREFUSED):
		return unwell(ReasonConnectionRefused, "connection refused")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return unwell(ReasonConnectionClosed, "it closed the connection before its answer was whole")
	}
	// net/http quotes what it could not parse: not for the status.
	return unwell(ReasonBadAnswer, "its answer is not HTTP")
}
