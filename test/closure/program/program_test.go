package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestLaterSettingsWin(t *testing.T) {
	environ := []string{"PORT=9000", "PROGRAM_RELEASE=env", "PROGRAM_START_DELAY=2s", "HOME=/root"}
	s, err := loadSettings([]string{"release=args", "graceful=no"}, environ)
	if err != nil {
		t.Fatal(err)
	}
	if s.Release != "args" || s.Port != "9000" || s.StartDelay != 2*time.Second || s.Graceful {
		t.Errorf("got %+v", s)
	}
	s, err = loadSettings([]string{"ignore-port=yes"}, environ)
	if err != nil || s.Port != "8080" {
		t.Errorf("ignoring PORT: got %+v, %v", s, err)
	}
}

func TestUnknownSettingsAreRefused(t *testing.T) {
	for _, arg := range []string{"relaese=1", "release", "exit-code=x", "start-delay=2"} {
		if _, err := loadSettings([]string{arg}, nil); err == nil {
			t.Errorf("%q was taken", arg)
		}
	}
}

func TestAnswers(t *testing.T) {
	s := settings{Release: "v1", HealthStatus: 200, UnhealthyAfter: time.Minute}
	young, old := handler(s, time.Now()), handler(s, time.Now().Add(-time.Hour))
	for _, c := range []struct {
		handler http.Handler
		path    string
		status  int
		body    string
	}{
		{young, "/", 200, "v1\n"},
		{young, "/below/any/prefix", 200, "v1\n"},
		{young, "/healthz", 200, "v1\n"},
		{old, "/healthz", 503, "v1\n"},
		{young, "/slow?for=1ms", 200, "v1\n"},
		{young, "/slow", 400, "say for=2s\n"},
	} {
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, httptest.NewRequest("GET", c.path, nil))
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("GET %s: got %d %q, want %d %q", c.path, w.Code, w.Body, c.status, c.body)
		}
	}
}
