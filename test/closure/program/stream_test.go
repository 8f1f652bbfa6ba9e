package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func get(t *testing.T, url string) *http.Response {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestDownloadTakesItsTimeAndItsBytesAreKnown(t *testing.T) {
	server := httptest.NewServer(handlerOf(t, 0))
	defer server.Close()
	began := time.Now()
	resp := get(t, server.URL+"/download?seconds=1&bytes=100003")
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 900*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(body) != 100003 || resp.ContentLength != 100003 {
		t.Errorf("got %d bytes, of %d", len(body), resp.ContentLength)
	}
	if resp.Header.Get(sumHeader) != sum(body) {
		t.Error("the sum in the header is not that of the bytes")
	}
	if !strings.HasPrefix(string(body), "000000000000000\n000000000000001\n") || !bytes.Equal(body[32:48], []byte("000000000000002\n")) {
		t.Errorf("it begins with %q", body[:48])
	}
	if resp := get(t, server.URL+"/download?seconds=x"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("seconds=x: %s", resp.Status)
	}
}

func TestABodyComesBackWithItsSum(t *testing.T) {
	server := httptest.NewServer(handlerOf(t, 0))
	defer server.Close()
	sent := bytes.Repeat([]byte("deploy\x00"), 200_000)
	for _, path := range []string{"/echo", "/hash"} {
		resp, err := http.Post(server.URL+path, "application/octet-stream", bytes.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.Header.Get(sumHeader) != sum(sent) || resp.Header.Get("X-Release") != "v1" {
			t.Errorf("POST %s: %v, %v", path, resp.Header, err)
		}
		if path == "/echo" && !bytes.Equal(got, sent) {
			t.Errorf("the echo has %d of %d bytes", len(got), len(sent))
		}
		if path == "/hash" && string(got) != sum(sent)+"\n" {
			t.Errorf("the hash is %q", got)
		}
	}
}

func TestAHealthAnswerThatNeverEnds(t *testing.T) {
	for body, least := range map[string]int64{"endless": 10 << 20, "stalled": 3} {
		server := httptest.NewServer(handlerOf(t, 0, "health-body="+body))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.CopyN(io.Discard, resp.Body, least+1)
		switch {
		case n < least:
			t.Errorf("%s: got %d bytes, %v", body, n, err)
		case body == "stalled" && !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("%s: it ended with %v", body, err)
		}
		cancel()
		resp.Body.Close()
		server.Close()
	}
}

func TestAWebsocketSendsEachMessageBack(t *testing.T) {
	server := httptest.NewServer(handlerOf(t, 0))
	defer server.Close()
	conn, resp, err := websocket.Dial(t.Context(), server.URL+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if resp.Header.Get("X-Release") != "v1" {
		t.Errorf("the answer names no release: %v", resp.Header)
	}
	for _, message := range []string{"one", "", strings.Repeat("x", 20_000)} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
		kind, got, err := conn.Read(t.Context())
		if err != nil || kind != websocket.MessageText || string(got) != message {
			t.Errorf("sent %d bytes, got %d back: %v", len(message), len(got), err)
		}
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}
