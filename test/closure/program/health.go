package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// health answers /healthz, well or in one of the ways in which an answer can be bad (F35).
func (s service) health(w http.ResponseWriter, r *http.Request) {
	time.Sleep(s.HealthDelay)
	if s.HealthRedirect != "" {
		http.Redirect(w, r, s.HealthRedirect, http.StatusFound)
		return
	}
	status := s.HealthStatus
	flaps := s.HealthFlaps > 0 && (s.asked.Add(1)-1)/int64(s.HealthFlaps)%2 == 1
	if flaps || s.passed(s.UnhealthyAfter) {
		status = http.StatusServiceUnavailable
	}
	if s.HealthBody == "stalled" {
		w.Header().Set("Content-Length", "1000")
	}
	w.WriteHeader(status)
	s.name(w, r)
	switch s.HealthBody {
	case "endless":
		for line := strings.Repeat("x", 1023) + "\n"; r.Context().Err() == nil; {
			if _, err := fmt.Fprint(w, line); err != nil {
				return
			}
		}
	case "stalled":
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}
