package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	v1 "deployer/api/v1"
	"deployer/controllers"
	"deployer/controllers/tell"
)

// What people ask of one service, and of its past; both sides of it.

// Retry asks for another try of what the manifest wants and was judged bad.
func (c *Client) Retry(ctx context.Context, service, by string) (out RetryAnswer, err error) {
	return out, c.ask(ctx, http.MethodPost, PathRetry, url.Values{"service": {service}, "by": {by}}, nil, &out)
}

// Hold pauses a service on this host.
func (c *Client) Hold(ctx context.Context, service string, h v1.Hold) (out HoldAnswer, err error) {
	return out, c.ask(ctx, http.MethodPost, PathHold, url.Values{"service": {service}}, h, &out)
}

// Unhold ends the pause that was set on this host.
func (c *Client) Unhold(ctx context.Context, service, by string) (out controllers.Unheld, err error) {
	return out, c.ask(ctx, http.MethodPost, PathUnhold, url.Values{"service": {service}, "by": {by}}, nil, &out)
}

// History asks for the deployments of a service.
func (c *Client) History(ctx context.Context, service string) (out HistoryAnswer, err error) {
	return out, c.ask(ctx, http.MethodGet, PathHistory, url.Values{"service": {service}}, nil, &out)
}

// Why asks for all that is known of a service.
func (c *Client) Why(ctx context.Context, service string) (out tell.Facts, err error) {
	return out, c.ask(ctx, http.MethodGet, PathWhy, url.Values{"service": {service}}, nil, &out)
}

func (s *Server) retry(r *http.Request) (any, error) {
	bad, err := s.Set.Retry(r.Context(), r.FormValue("service"), r.FormValue("by"))
	return RetryAnswer{Verdict: bad}, err
}

func (s *Server) hold(r *http.Request) (any, error) {
	const most = 64 << 10
	data, err := io.ReadAll(io.LimitReader(r.Body, most))
	if err != nil {
		return nil, fmt.Errorf("reading the hold: %w", err)
	}
	var h v1.Hold
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, fmt.Errorf("reading the hold: %w", err)
	}
	before, err := s.Set.Hold(r.Context(), r.URL.Query().Get("service"), h)
	return HoldAnswer{Before: before}, err
}

func (s *Server) unhold(r *http.Request) (any, error) {
	return s.Set.Unhold(r.Context(), r.FormValue("service"), r.FormValue("by"))
}

func (s *Server) history(r *http.Request) (any, error) {
	all, err := s.Set.History(r.Context(), r.FormValue("service"))
	return HistoryAnswer{Deployments: all}, err
}

func (s *Server) why(r *http.Request) (any, error) {
	return s.Set.Why(r.Context(), r.FormValue("service")), nil
}
