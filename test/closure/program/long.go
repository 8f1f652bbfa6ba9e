package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"deployer/test/load/stream"
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

// download sends bytes that the other end can work out, evenly over a time:
// /download?bytes=1000000&for=20s&seed=1.
func download(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	total, err := strconv.ParseInt(query.Get("bytes"), 10, 64)
	seed, seedErr := strconv.ParseUint(query.Get("seed"), 10, 64)
	length, lengthErr := time.ParseDuration(query.Get("for"))
	if err != nil || seedErr != nil || lengthErr != nil || total < 1 || length < 0 {
		http.Error(w, "say bytes=1000000&for=20s&seed=1", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(total, 10))
	const parts = 200
	content, began := stream.New(seed), time.Now()
	for sent, part := int64(0), int64(1); sent < total; part++ {
		n, err := io.CopyN(w, content, max(1, min(total-sent, total/parts+1)))
		if err != nil {
			fmt.Printf("download: %v after %d of %d bytes\n", err, sent+n, total)
			return
		}
		sent += n
		_ = http.NewResponseController(w).Flush()
		time.Sleep(time.Until(began.Add(length * time.Duration(part) / parts)))
	}
}
