package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"
)

// handler answers the release's name on every path that is not one of its own, so that it
// can be reached below any route prefix.
func handler(s settings, started time.Time) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, s.Release)
	})
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		status := s.HealthStatus
		if s.UnhealthyAfter > 0 && time.Since(started) > s.UnhealthyAfter {
			status = http.StatusServiceUnavailable
		}
		w.WriteHeader(status)
		fmt.Fprintln(w, s.Release)
	})
	mux.HandleFunc("/info", func(w http.ResponseWriter, r *http.Request) { writeInfo(w, s, started) })
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		for _, e := range os.Environ() {
			fmt.Fprintln(w, e)
		}
	})
	mux.HandleFunc("/echo", echoBody)
	mux.HandleFunc("/ws", echoMessages)
	mux.HandleFunc("/download", download)
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.URL.Query().Get("for"))
		if err != nil {
			http.Error(w, "say for=2s", http.StatusBadRequest)
			return
		}
		time.Sleep(d)
		fmt.Fprintln(w, s.Release)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(s.AnswerDelay)
		w.Header().Set("X-Release", s.Release)
		mux.ServeHTTP(w, r)
	})
}

func writeInfo(w http.ResponseWriter, s settings, started time.Time) {
	exe, _ := os.Executable()
	cwd, _ := os.Getwd()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"release": s.Release, "greeting": s.Greeting, "port": s.Port, "started": started,
		"pid": os.Getpid(), "uid": os.Getuid(), "gid": os.Getgid(),
		"executable": exe, "directory": cwd, "arguments": os.Args,
	})
}
