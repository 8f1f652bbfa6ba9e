package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// service is what the handlers know.
type service struct {
	settings
	started time.Time
	// starts is how often the program started with this state directory.
	starts  int
	sockets *websockets
	// asked counts what /healthz was asked.
	asked *atomic.Int64
}

// handler answers the release's name on every path that is not one of its own, so that it
// can be reached below any route prefix. Every answer has it in X-Release.
//
//	/healthz             as the settings say
//	/info                the process, as JSON
//	/env                 its environment
//	/slow?for=2s         the release, after that time
//	/echo, /hash         the request's body again, and its SHA-256 in hex
//	/download?seconds=20 see download
//	/ws                  a websocket that sends back each message
func handler(s service) http.Handler {
	s.asked = &atomic.Int64{}
	mux := http.NewServeMux()
	mux.HandleFunc("/", s.name)
	mux.HandleFunc("/healthz", s.health)
	mux.HandleFunc("/info", s.info)
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		for _, e := range os.Environ() {
			fmt.Fprintln(w, e)
		}
	})
	mux.HandleFunc("/slow", s.slow)
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/hash", hash)
	mux.HandleFunc("/download", download)
	mux.HandleFunc("/ws", s.sockets.echo)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(s.AnswerDelay)
		w.Header().Set("X-Release", s.Release)
		if s.passed(s.FailAfter) {
			w.WriteHeader(http.StatusInternalServerError)
			s.name(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// passed tells whether that much time is gone since the start; a zero time never is.
func (s service) passed(d time.Duration) bool { return d > 0 && time.Since(s.started) > d }

func (s service) name(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, s.Release) }

func (s service) slow(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.URL.Query().Get("for"))
	if err != nil {
		http.Error(w, "say for=2s", http.StatusBadRequest)
		return
	}
	time.Sleep(d)
	s.name(w, r)
}

func (s service) info(w http.ResponseWriter, _ *http.Request) {
	exe, _ := os.Executable()
	cwd, _ := os.Getwd()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"release": s.Release, "greeting": s.Greeting, "port": s.Port, "started": s.started, "starts": s.starts,
		"pid": os.Getpid(), "parent": os.Getppid(), "uid": os.Getuid(), "gid": os.Getgid(),
		"executable": exe, "directory": cwd, "arguments": os.Args,
	})
}
