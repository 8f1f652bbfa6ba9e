package systemd

import (
	"context"
	"encoding/hex"
	"path"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/godbus/dbus/v5"

	"deployer/providers"
)

const (
	signalProperties = "org.freedesktop.DBus.Properties.PropertiesChanged"
	signalNew        = "org.freedesktop.systemd1.Manager.UnitNew"
	signalRemoved    = "org.freedesktop.systemd1.Manager.UnitRemoved"
	signalReloading  = "org.freedesktop.systemd1.Manager.Reloading"
	signalFiles      = "org.freedesktop.systemd1.Manager.UnitFilesChanged"
	// ofUnit is the interface whose change tells of a unit's state. systemd tells of the
	// service's own one at the same time, which says no more.
	ofUnit = "org.freedesktop.systemd1.Unit"
)

// Pauses before systemd is listened to again, after it went away.
const (
	shortestPause = 100 * time.Millisecond
	longestPause  = 5 * time.Second
)

// Watcher tells of units that changed, as systemd says so: nothing is asked, neither in
// between nor about an event. Looking at units causes no event, so a pass that changes
// nothing is followed by none.
type Watcher struct {
	m     *Manager
	names func() []string

	// reloading is when a daemon-reload began that has not ended; ours says that it is one
	// of our own.
	reloading time.Time
	ours      bool
}

var _ providers.Watcher = (*Watcher)(nil)

// Watcher makes one. Names are those of all services, for changes that concern every unit.
func (m *Manager) Watcher(names func() []string) *Watcher { return &Watcher{m: m, names: names} }

// Watch listens on the Manager's connection, and on a new one when that ends, as it does
// with every daemon-reexec. What happened while nobody listened is not known, so each
// connection begins with all names.
func (w *Watcher) Watch(ctx context.Context, changed func(service string)) error {
	pause := shortestPause
	for ctx.Err() == nil {
		err := w.listen(ctx, changed)
		switch {
		case err == nil:
			pause = shortestPause
		case pause == shortestPause:
			logr.FromContextOrDiscard(ctx).Error(err, "listening to systemd; it is tried again, and the full pass goes on")
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
	return nil
}

// listen lasts as long as one connection; an error means that there was none.
func (w *Watcher) listen(ctx context.Context, changed func(string)) error {
	bus, err := w.m.conn.get(ctx)
	if err != nil {
		return err
	}
	signals := bus.Signals(ctx)
	w.reloading = time.Time{}
	w.all(changed)
	for {
		select {
		case <-ctx.Done():
			return nil
		case s, open := <-signals:
			if !open {
				return nil
			}
			w.hear(s, changed)
		}
	}
}

// hear makes names of a signal. In a reload, every unit of the host is said to vanish and
// to come back: that is nothing but the reload.
func (w *Watcher) hear(s *dbus.Signal, changed func(string)) {
	switch s.Name {
	case signalProperties:
		if first(s) == ofUnit {
			w.unit(unitOf(s.Path), changed)
		}
	case signalNew, signalRemoved:
		if name, ok := first(s).(string); ok && !w.inReload() {
			w.unit(name, changed)
		}
	case signalReloading:
		w.reload(first(s) == true, changed)
	case signalFiles:
		w.all(changed)
	}
}

// inReload is true for no longer than a reload may last: its end may have been missed.
func (w *Watcher) inReload() bool { return w.m.o.Now().Sub(w.reloading) < reloadTimeout }

// reload reports a daemon-reload of somebody else when it is over: what is loaded may be
// other text than before. After our own, Install has compared what it wrote itself.
func (w *Watcher) reload(begins bool, changed func(string)) { //nolint:revive // the boolean is systemd's
	if begins {
		w.reloading, w.ours = w.m.o.Now(), w.m.reload.running.Load()
		return
	}
	w.reloading = time.Time{}
	if !w.ours {
		w.all(changed)
	}
}

func (w *Watcher) unit(name string, changed func(string)) {
	if service, _, ok := parseUnit(name); ok {
		w.m.Relist()
		changed(service)
	}
}

func (w *Watcher) all(changed func(string)) {
	w.m.forget()
	for _, name := range w.names() {
		changed(name)
	}
}

func first(s *dbus.Signal) any {
	if len(s.Body) == 0 {
		return nil
	}
	return s.Body[0]
}

// unitOf is the unit that an object path means: …/unit/web_2eservice.
func unitOf(object dbus.ObjectPath) string {
	escaped := path.Base(string(object))
	var out strings.Builder
	for i := 0; i < len(escaped); i++ {
		if escaped[i] == '_' && i+2 < len(escaped) {
			if b, err := hex.DecodeString(escaped[i+1 : i+3]); err == nil {
				out.Write(b)
				i += 2
				continue
			}
		}
		out.WriteByte(escaped[i])
	}
	return out.String()
}
