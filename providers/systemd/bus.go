package systemd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	sdbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// privateSocket is PID 1's own, root only; it is there without dbus-daemon.
const privateSocket = "/run/systemd/private"

// Row is one line of systemd's listing of loaded units.
type Row = sdbus.UnitStatus

// Bus is what the Manager asks of systemd. Errors are those of D-Bus, as they came.
type Bus interface {
	// Host tells the version and the directories that units are looked for in, first one first.
	Host(ctx context.Context) (HostInfo, error)
	// Services lists all loaded service units, in one call.
	Services(ctx context.Context) ([]Row, error)
	// Properties are those of the unit and of the service; asking loads the unit.
	Properties(ctx context.Context, unit string) (map[string]any, error)
	// Restart and Stop enqueue a job; its result is sent to the channel, which must be
	// buffered: the bus delivers nothing else while it waits.
	Restart(ctx context.Context, unit string, result chan<- string) (job int, err error)
	Stop(ctx context.Context, unit string, result chan<- string) (job int, err error)
	// StartTransient makes a unit that lives as long as its job and its process, and starts
	// it, as Restart does; one that failed stays until it is reset.
	StartTransient(ctx context.Context, unit string, properties []Property, result chan<- string) (job int, err error)
	ResetFailed(ctx context.Context, unit string) error
	Reload(ctx context.Context) error
	// Connected is false for good once the connection died, also by a daemon-reexec.
	Connected() bool
	// Signals gives all that systemd says by itself until ctx ends. The channel is closed
	// when the connection ends.
	Signals(ctx context.Context) <-chan *dbus.Signal
	Close()
}

// HostInfo is what does not change while systemd runs.
type HostInfo struct {
	Version  int
	UnitPath []string
}

// privateBus is the real Bus.
type privateBus struct {
	conn *sdbus.Conn
	// raw is the connection, for signals, and for the listing: go-systemd decodes it row by
	// row through reflection twice.
	raw *dbus.Conn
	end context.CancelFunc
}

// dialTimeout bounds the greeting: a busy PID 1 accepts and says nothing.
const dialTimeout = 10 * time.Second

// DialPrivate connects to PID 1. The connection lives until Close, whatever becomes of ctx.
func DialPrivate(ctx context.Context) (Bus, error) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	b := &privateBus{end: end}
	done := make(chan error, 1)
	go func() {
		conn, err := sdbus.NewConnection(func() (*dbus.Conn, error) { return b.dial(life) })
		b.conn = conn
		done <- err
	}()
	timeout := time.NewTimer(dialTimeout)
	defer timeout.Stop()
	select {
	case err := <-done:
		if err != nil {
			end()
			return nil, err
		}
		return b, nil
	case <-ctx.Done():
		end()
		return nil, ctx.Err()
	case <-timeout.C:
		end()
		return nil, fmt.Errorf("no greeting from systemd within %s", dialTimeout)
	}
}

// dial gives go-systemd one connection for the two that it wants, one for calls and one
// for signals: on the private socket every connection hears every signal.
func (b *privateBus) dial(life context.Context) (*dbus.Conn, error) {
	if b.raw != nil {
		return b.raw, nil
	}
	conn, err := connect(life)
	b.raw = conn
	return conn, err
}

// connect lasts until life ends, or until systemd ends it.
func connect(life context.Context) (*dbus.Conn, error) {
	var d net.Dialer
	socket, err := d.DialContext(life, "unix", privateSocket)
	if err != nil {
		return nil, err
	}
	conn, err := dbus.NewConn(buffered{socket, bufio.NewReader(socket)}, dbus.WithContext(life))
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal("0")}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// buffered reads many messages at once: a daemon-reload makes hundreds of them, and godbus
// would ask the kernel several times for each.
type buffered struct {
	net.Conn
	in *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.in.Read(p) }

func (b *privateBus) Signals(ctx context.Context) <-chan *dbus.Signal {
	signals := make(chan *dbus.Signal, signalsBuffer)
	b.raw.Signal(signals)
	context.AfterFunc(ctx, func() { b.raw.RemoveSignal(signals) })
	return signals
}

// signalsBuffer holds what systemd says in a daemon-reload of a large host: godbus gives
// what does not fit later, and in any order.
const signalsBuffer = 1024

func (b *privateBus) Connected() bool { return b.conn.Connected() }

func (b *privateBus) Close() {
	b.conn.Close()
	b.end()
}

func (b *privateBus) Host(ctx context.Context) (HostInfo, error) {
	var version, path dbus.Variant
	get := func(name string, into *dbus.Variant) error {
		return b.manager().CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0,
			"org.freedesktop.systemd1.Manager", name).Store(into)
	}
	if err := errors.Join(get("Version", &version), get("UnitPath", &path)); err != nil {
		return HostInfo{}, err
	}
	text, _ := version.Value().(string)
	dirs, _ := path.Value().([]string)
	major, err := majorVersion(text)
	return HostInfo{Version: major, UnitPath: dirs}, err
}

// majorVersion reads 257.13-1~deb13u1 and v256-rc3.
func majorVersion(text string) (int, error) {
	digits := strings.TrimPrefix(text, "v")
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	v, err := strconv.Atoi(digits)
	if err != nil {
		return 0, fmt.Errorf("reading the version of systemd: %q", text)
	}
	return v, nil
}

func (b *privateBus) manager() dbus.BusObject {
	return b.raw.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
}

func (b *privateBus) Services(ctx context.Context) ([]Row, error) {
	var rows []Row
	err := b.manager().CallWithContext(ctx, "org.freedesktop.systemd1.Manager.ListUnitsByPatterns", 0,
		[]string{}, []string{"*.service"}).Store(&rows)
	return rows, err
}

func (b *privateBus) Properties(ctx context.Context, unit string) (map[string]any, error) {
	props, err := b.conn.GetUnitPropertiesContext(ctx, unit)
	if err != nil {
		return nil, err
	}
	service, err := b.conn.GetUnitTypePropertiesContext(ctx, unit, "Service")
	if err != nil {
		return nil, err
	}
	for k, v := range service {
		props[k] = v
	}
	return props, nil
}

func (b *privateBus) Restart(ctx context.Context, unit string, result chan<- string) (int, error) {
	return b.conn.RestartUnitContext(ctx, unit, "replace", result)
}

func (b *privateBus) Stop(ctx context.Context, unit string, result chan<- string) (int, error) {
	return b.conn.StopUnitContext(ctx, unit, "replace", result)
}

func (b *privateBus) StartTransient(ctx context.Context, unit string, properties []Property, result chan<- string) (int, error) {
	return b.conn.StartTransientUnitContext(ctx, unit, "replace", properties, result)
}

func (b *privateBus) ResetFailed(ctx context.Context, unit string) error {
	return b.conn.ResetFailedUnitContext(ctx, unit)
}

func (b *privateBus) Reload(ctx context.Context) error { return b.conn.ReloadContext(ctx) }
