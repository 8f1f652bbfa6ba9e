package main

import (
	"context"
	"net/http"
	"sync"

	"github.com/coder/websocket"
)

// websockets are the open ones: a server's Shutdown does not know them.
type websockets struct {
	open sync.WaitGroup
	// ending is over when they are to close.
	ending context.Context
	goAway context.CancelFunc
}

func newWebsockets() *websockets {
	s := &websockets{}
	s.ending, s.goAway = context.WithCancel(context.Background())
	return s
}

func (s *websockets) wait() { s.open.Wait() }

// echo sends back each message until the other side closes. A graceful program that ends
// says that it goes away.
func (s *websockets) echo(w http.ResponseWriter, r *http.Request) {
	s.open.Add(1)
	defer s.open.Done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow()
	stop := context.AfterFunc(s.ending, func() { _ = conn.Close(websocket.StatusGoingAway, "") })
	defer stop()
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if err := conn.Write(r.Context(), kind, message); err != nil {
			return
		}
	}
}
