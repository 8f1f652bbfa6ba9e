package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"
)

// runVariable makes the test binary the program itself.
const runVariable = "TEST_RUN_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(runVariable) == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

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
	for _, arg := range []string{"relaese=1", "release", "exit-code=x", "start-delay=2", "exit-signal=SIGKILL"} {
		if _, err := loadSettings([]string{arg}, nil); err == nil {
			t.Errorf("%q was taken", arg)
		}
	}
}

// handlerOf is that of a program with these settings that started some time ago.
func handlerOf(t *testing.T, age time.Duration, args ...string) http.Handler {
	t.Helper()
	s, err := loadSettings(append([]string{"release=v1"}, args...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return handler(service{settings: s, started: time.Now().Add(-age), sockets: newWebsockets()})
}

func TestAnswers(t *testing.T) {
	good := handlerOf(t, 0)
	tired := []string{"unhealthy-after=1m"}
	failing := []string{"fail-after=1m"}
	for _, c := range []struct {
		handler http.Handler
		path    string
		status  int
		body    string
	}{
		{good, "/", 200, "v1\n"},
		{good, "/below/any/prefix", 200, "v1\n"},
		{good, "/healthz", 200, "v1\n"},
		{handlerOf(t, 0, "health-status=404"), "/healthz", 404, "v1\n"},
		{handlerOf(t, 0, tired...), "/healthz", 200, "v1\n"},
		{handlerOf(t, time.Hour, tired...), "/healthz", 503, "v1\n"},
		{handlerOf(t, time.Hour, tired...), "/", 200, "v1\n"},
		{handlerOf(t, 0, failing...), "/", 200, "v1\n"},
		{handlerOf(t, time.Hour, failing...), "/", 500, "v1\n"},
		{handlerOf(t, time.Hour, failing...), "/healthz", 500, "v1\n"},
		{good, "/slow?for=1ms", 200, "v1\n"},
		{good, "/slow", 400, "say for=2s\n"},
	} {
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, httptest.NewRequest("GET", c.path, nil))
		if w.Code != c.status || w.Body.String() != c.body {
			t.Errorf("GET %s: got %d %q, want %d %q", c.path, w.Code, w.Body, c.status, c.body)
		}
		if got := w.Header().Get("X-Release"); got != "v1" {
			t.Errorf("GET %s: the release in the answer is %q", c.path, got)
		}
	}
}

func TestTheHealthAnswerCanRedirect(t *testing.T) {
	w := httptest.NewRecorder()
	handlerOf(t, 0, "health-redirect=/elsewhere").ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
	if w.Code != 302 || w.Header().Get("Location") != "/elsewhere" {
		t.Errorf("got %d to %q", w.Code, w.Header().Get("Location"))
	}
}

func TestTheHealthAnswerCanFlap(t *testing.T) {
	h := handlerOf(t, 0, "health-flaps=2")
	var got []int
	for range 6 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/healthz", nil))
		got = append(got, w.Code)
	}
	if !slices.Equal(got, []int{200, 200, 503, 503, 200, 200}) {
		t.Errorf("got %v", got)
	}
}

func TestTheHealthAnswerCanBeSlow(t *testing.T) {
	began := time.Now()
	handlerOf(t, 0, "health-delay=50ms").ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/healthz", nil))
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("it answered after %s", took)
	}
}
