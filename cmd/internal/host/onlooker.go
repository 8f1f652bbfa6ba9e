package host

import (
	"context"
	"errors"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/statefile"
)

// onlooker reads the daemon's memory and writes none: a look from outside must leave no
// trace.
type onlooker struct{ *statefile.Reader }

var _ providers.States = onlooker{}

func (onlooker) SaveState(context.Context, v1.HostState) error     { return nil }
func (onlooker) Record(context.Context, v1.Event) error            { return nil }
func (onlooker) SaveManifest(context.Context, []byte) error        { return nil }
func (onlooker) RaiseFloor(context.Context, providers.Floor) error { return nil }

// Floor is what the daemon last reported.
func (o onlooker) Floor(ctx context.Context) (providers.Floor, error) {
	s, err := o.LoadState(ctx)
	if errors.Is(err, providers.ErrNotFound) {
		return providers.Floor{}, nil
	}
	return providers.Floor{Lineage: s.Lineage, Generation: s.ObservedGeneration}, err
}

// HostName is what the daemon last reported: only the daemon pins it.
func (o onlooker) HostName(ctx context.Context, current string) (string, error) {
	s, err := o.LoadState(ctx)
	if err != nil || s.Host == "" {
		return current, nil //nolint:nilerr // nothing is pinned that could be read
	}
	return s.Host, nil
}
