package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"deployer/controllers"
	"deployer/providers"
)

// Server answers on the control socket.
type Server struct {
	Set    *controllers.Set
	States providers.States
	// Metrics serves Prometheus.
	Metrics http.Handler
}

// Serve listens on the socket until ctx ends. A socket that a dead daemon left is
// replaced; the lock on the state says that there is no living one.
func (s *Server) Serve(ctx context.Context, socket string) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the old control socket: %w", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("listening on the control socket: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return fmt.Errorf("protecting the control socket: %w", err)
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the control socket: %w", err)
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+PathMetrics, s.Metrics)
	handle(mux, "GET "+PathStatus, s.status)
	handle(mux, "GET "+PathPlan, s.plan)
	handle(mux, "POST "+PathSync, s.sync)
	handle(mux, "POST "+PathAdopt, s.adopt)
	handle(mux, "GET "+PathEvents, s.events)
	handle(mux, "POST "+PathRetry, s.retry)
	handle(mux, "POST "+PathHold, s.hold)
	handle(mux, "POST "+PathUnhold, s.unhold)
	handle(mux, "GET "+PathHistory, s.history)
	handle(mux, "GET "+PathWhy, s.why)
	return mux
}

func (s *Server) status(*http.Request) (any, error) { return s.Set.Board.Snapshot(), nil }

func (s *Server) plan(r *http.Request) (any, error) {
	plans, err := s.Set.Plan(r.Context(), r.FormValue("service"))
	return PlanAnswer{Plans: plans, Problem: textOf(err)}, nil
}

// sync answers also when the store does not: that is what it found.
func (s *Server) sync(r *http.Request) (any, error) {
	err := s.Set.Sync(r.Context())
	return SyncAnswer{Generation: s.Set.Board.Snapshot().ObservedGeneration, Problem: textOf(err)}, nil
}

func (s *Server) adopt(r *http.Request) (any, error) {
	m, err := s.Set.Source.Adopt(r.Context())
	if err != nil {
		return nil, err
	}
	return AdoptAnswer{Lineage: m.Lineage, Generation: m.Generation}, s.Set.Sync(r.Context())
}

func (s *Server) events(r *http.Request) (any, error) {
	events, err := s.States.Events(r.Context(), r.FormValue("service"))
	return EventsAnswer{Events: events}, err
}

func handle(mux *http.ServeMux, pattern string, f func(*http.Request) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		answer, err := f(r)
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			answer = ErrorAnswer{Error: err.Error(), Reason: providers.ReasonOf(err)}
		}
		_ = json.NewEncoder(w).Encode(answer) // the other side may have gone
	})
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
