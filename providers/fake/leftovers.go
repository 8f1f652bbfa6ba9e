package fake

import (
	"context"
	"slices"

	"deployer/providers"
)

// leftovers is providers.Leftovers of the whole host.
type leftovers struct{ w *World }

var _ providers.Leftovers = leftovers{}

func (l leftovers) Leftovers(ctx context.Context) (out []providers.Leftover, err error) {
	err = l.w.run(ctx, look("leftovers.Leftovers"), func() error {
		out = slices.Clone(l.w.Unfinished)
		return nil
	})
	return out, err
}

func (l leftovers) Clear(ctx context.Context, x providers.Leftover) error {
	return l.w.run(ctx, act("leftovers.Clear", x.Service, x.Path), func() error {
		l.w.Unfinished = slices.DeleteFunc(l.w.Unfinished, func(y providers.Leftover) bool { return x == y })
		return nil
	})
}
