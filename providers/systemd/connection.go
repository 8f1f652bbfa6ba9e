package systemd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"

	"deployer/providers"
)

// callTimeout bounds one question to systemd; a reload has a longer one.
const callTimeout = 25 * time.Second

// connection keeps one Bus and makes a new one when it died.
type connection struct {
	dial func(context.Context) (Bus, error)

	mu   sync.Mutex
	bus  Bus
	host *HostInfo
}

func (c *connection) get(ctx context.Context) (Bus, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bus != nil && c.bus.Connected() {
		return c.bus, nil
	}
	if c.bus != nil {
		c.bus.Close()
		c.bus = nil
	}
	bus, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	// A daemon-reexec ends connections and may bring another version.
	c.bus, c.host = bus, nil
	return bus, nil
}

func (c *connection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bus != nil {
		c.bus.Close()
		c.bus = nil
	}
}

// ask puts a question that changes nothing; when the connection dies under it, it is put
// once more. What fails is ErrUnavailable: the answer is unknown.
func (c *connection) ask(ctx context.Context, doing string, question func(context.Context, Bus) error) error {
	var err error
	for range 2 {
		err = c.once(ctx, callTimeout, question)
		if err == nil || !connectionDied(err) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return unavailable(doing, err)
	}
	return nil
}

// once lets fn use the bus with a deadline and gives back its error as it is.
func (c *connection) once(ctx context.Context, timeout time.Duration, fn func(context.Context, Bus) error) error {
	bus, err := c.get(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = fn(ctx, bus)
	if connectionDied(err) {
		c.drop(bus)
	}
	return err
}

// drop makes the next question use a new connection: this one may not have noticed yet
// that it is dead.
func (c *connection) drop(bus Bus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bus == bus {
		c.bus.Close()
		c.bus = nil
	}
}

// info is asked once for each connection.
func (c *connection) info(ctx context.Context) (HostInfo, error) {
	c.mu.Lock()
	known := c.host
	if c.bus == nil || !c.bus.Connected() {
		known = nil
	}
	c.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	var host HostInfo
	err := c.ask(ctx, "asking systemd for its version", func(ctx context.Context, b Bus) error {
		h, err := b.Host(ctx)
		host = h
		return err
	})
	if err != nil {
		return HostInfo{}, err
	}
	c.mu.Lock()
	c.host = &host
	c.mu.Unlock()
	return host, nil
}

// connectionDied also knows how the kernel says it to who writes, or reads, first.
func connectionDied(err error) bool {
	return errors.Is(err, dbus.ErrClosed) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, io.EOF) || isDBusError(err, "org.freedesktop.DBus.Error.NoReply")
}

// isDBusError reports whether systemd answered with the error of one of these names.
func isDBusError(err error, names ...string) bool {
	var e dbus.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, n := range names {
		if e.Name == n {
			return true
		}
	}
	return false
}

// answered reports whether systemd itself said no, so that the outcome is known.
func answered(err error) bool {
	var e dbus.Error
	return errors.As(err, &e) && !connectionDied(err)
}

// unavailable says that systemd could not be asked or did not answer.
func unavailable(doing string, err error) error {
	return &providers.Fault{
		Reason:  "SystemdUnavailable",
		Message: doing,
		Err:     fmt.Errorf("%w: %w", providers.ErrUnavailable, err),
	}
}
