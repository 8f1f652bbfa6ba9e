package main

import (
	"context"
	"fmt"
	"net"
	"time"
)

// delay forwards TCP connections to a server that it makes look far away: each byte arrives
// half of the added latency later, in either direction, at whatever rate it was sent. It
// knows nothing of what it forwards, so signatures of requests stay good.
type delay struct {
	listener net.Listener
	target   string
	// half of the added round trip, for each direction.
	half time.Duration
}

// startDelay listens on a free loopback port until ctx ends.
func startDelay(ctx context.Context, target string, added time.Duration) (*delay, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the delay: %w", err)
	}
	d := &delay{listener: listener, target: target, half: added / 2}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go d.serve(ctx)
	return d, nil
}

func (d *delay) addr() string { return d.listener.Addr().String() }

func (d *delay) serve(ctx context.Context) {
	for {
		near, err := d.listener.Accept()
		if err != nil {
			return
		}
		go d.forward(ctx, near)
	}
}

func (d *delay) forward(ctx context.Context, near net.Conn) {
	defer near.Close()
	// A handshake takes a round trip before the first byte can go.
	time.Sleep(2 * d.half)
	var dialer net.Dialer
	far, err := dialer.DialContext(ctx, "tcp", d.target)
	if err != nil {
		return
	}
	defer far.Close()
	back := make(chan struct{})
	go func() {
		defer close(back)
		d.pump(near, far)
	}()
	d.pump(far, near)
	<-back
}

// chunk is what was read at once, and when it may arrive.
type chunk struct {
	data []byte
	due  time.Time
}

// inFlight bounds what is on the way, in chunks of chunkSize: more than a fast line holds
// in that time.
const (
	inFlight  = 512
	chunkSize = 64 << 10
)

// pump ends the writing side when the reading side has ended and all has arrived.
func (d *delay) pump(to, from net.Conn) {
	line := make(chan chunk, inFlight)
	go func() {
		defer close(line)
		for {
			data := make([]byte, chunkSize)
			n, err := from.Read(data)
			if n > 0 {
				line <- chunk{data: data[:n], due: time.Now().Add(d.half)}
			}
			if err != nil {
				return
			}
		}
	}()
	var broken error
	for c := range line {
		if broken != nil {
			continue // the reader is to end, too
		}
		time.Sleep(time.Until(c.due))
		if _, broken = to.Write(c.data); broken != nil {
			_ = from.Close()
		}
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
