package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

// echoBody answers what it was sent. All of it is read first: HTTP/1.1 of Go drops what is
// unread once an answer begins.
func echoBody(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// echoMessages is a WebSocket that says each message again, for as long as it is held.
func echoMessages(w http.ResponseWriter, r *http.Request) {
	socket, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = socket.CloseNow() }()
	// The connection is not the server's any more, and so the request's own end means nothing.
	ctx := context.WithoutCancel(r.Context())
	for {
		kind, message, err := socket.Read(ctx)
		if err != nil || socket.Write(ctx, kind, message) != nil {
			return
		}
	}
}

// download sends bytes=1000000 that the other end can work out, evenly over seconds=20: lines of
// 16 bytes, each being its own number.
func download(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	total, err := strconv.Atoi(query.Get("bytes"))
	seconds, secondsErr := strconv.Atoi(query.Get("seconds"))
	if err != nil || secondsErr != nil || total < 1 || seconds < 0 {
		http.Error(w, "say bytes=1000000&seconds=20", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(total))
	var content []byte
	for line := 0; len(content) < total; line++ {
		content = fmt.Appendf(content, "%015d\n", line)
	}
	const parts = 200
	for i, began := 0, time.Now(); i < parts; i++ {
		if _, err := w.Write(content[i*total/parts : (i+1)*total/parts]); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
		time.Sleep(time.Until(began.Add(time.Duration(seconds) * time.Second * time.Duration(i+1) / parts)))
	}
}
