package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// betweenMessages of a WebSocket.
const betweenMessages = time.Second

// talk opens a WebSocket and sends a message a second until ctx ends or it is cut, which is
// one failure, with the WebSocket's age.
func (w *worker) talk(ctx context.Context) {
	began := time.Now()
	socket, release, err := w.open(ctx)
	if err != nil {
		w.record(ctx, began, "", err)
		pause(ctx, afterFailure)
		return
	}
	defer func() { _ = socket.CloseNow() }()
	// One message more after the end of ctx: a cut since the last one is to be seen, too.
	for n, last := 0, false; !last; n++ {
		last = ctx.Err() != nil
		sent := time.Now()
		if err := w.echo(ctx, socket, fmt.Sprintf("message %d", n)); err != nil {
			w.recorder.failed(w.line, began, fmt.Errorf("cut after %d messages: %w", n, err))
			pause(ctx, afterFailure)
			return
		}
		w.record(context.WithoutCancel(ctx), sent, release, nil)
		pause(ctx, betweenMessages)
	}
}

func (w *worker) open(ctx context.Context) (*websocket.Conn, string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, w.o.Timeout, errors.New("no answer in time"))
	defer cancel()
	transport := &http.Transport{DialContext: w.o.Dial}
	if w.o.TLS != nil {
		transport.TLSClientConfig = w.o.TLS.Clone()
	}
	client := &http.Client{Transport: transport}
	socket, response, err := websocket.Dial(ctx, w.o.url(w.host, "/ws"), &websocket.DialOptions{HTTPClient: client})
	if err != nil {
		return nil, "", fmt.Errorf("opening a websocket: %w", because(ctx, err))
	}
	w.recorder.opened(w.line)
	return socket, response.Header.Get(releaseHeader), nil
}

// echo reads right after it has written: in between nobody would notice a cut, but the next
// message does.
func (w *worker) echo(ctx context.Context, socket *websocket.Conn, message string) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), w.o.Timeout, errors.New("no echo in time"))
	defer cancel()
	if err := socket.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
		return because(ctx, err)
	}
	_, got, err := socket.Read(ctx)
	if err != nil {
		return because(ctx, err)
	}
	if string(got) != message {
		return fmt.Errorf("wrong echo of %q: %q", message, beginning(got))
	}
	return nil
}
