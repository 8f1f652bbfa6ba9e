package fake

import (
	"context"
	"slices"
	"strconv"

	"deployer/providers"
)

// firstStandbyPort is where the search for a standby's port begins.
const firstStandbyPort = 20000

// ports is providers.Ports.
type ports struct{ w *World }

var _ providers.Ports = ports{}

func (p ports) Connections(ctx context.Context, port int) (n int, err error) {
	err = p.w.run(ctx, look("ports.Connections", strconv.Itoa(port)), func() error {
		n = p.w.Connections[port]
		return nil
	})
	return n, err
}

func (p ports) Free(ctx context.Context, service string, avoid []int) (port int, err error) {
	err = p.w.run(ctx, look("ports.Free", service), func() error {
		for port = firstStandbyPort; p.w.holder(port) != "" || slices.Contains(avoid, port); {
			port++
		}
		return nil
	})
	return port, err
}
