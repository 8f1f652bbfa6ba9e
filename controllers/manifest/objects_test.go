package manifest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"

	"deployer/providers"
)

func reader(s string) io.ReadSeeker { return strings.NewReader(s) }

// careless is a store that takes conditions and ignores them (FAULTS F9).
type careless struct{ providers.Objects }

func (c careless) Put(ctx context.Context, key string, body io.ReadSeeker, _ providers.PutOptions) (providers.ObjectInfo, error) {
	return c.Objects.Put(ctx, key, body, providers.PutOptions{})
}

// beforePut does something before it writes below a prefix.
type beforePut struct {
	providers.Objects
	prefix string
	do     func()
}

func (b *beforePut) Put(ctx context.Context, key string, body io.ReadSeeker, o providers.PutOptions) (providers.ObjectInfo, error) {
	if strings.HasPrefix(key, b.prefix) {
		b.do()
	}
	return b.Objects.Put(ctx, key, body, o)
}

var errKilled = errors.New("killed")

// dying is a store whose user dies at the n-th call, before or after its effect: no call
// from then on does anything.
type dying struct {
	providers.Objects
	left  atomic.Int64
	after bool
}

// dies reports whether the call must not happen, and whether its answer gets lost.
func (d *dying) dies() (skip, lose bool) {
	left := d.left.Add(-1)
	return left < 0 || left == 0 && !d.after, left == 0
}

func (d *dying) Get(ctx context.Context, key string, o providers.GetOptions) (*providers.Object, error) {
	skip, lose := d.dies()
	if skip || lose {
		return nil, errKilled
	}
	return d.Objects.Get(ctx, key, o)
}

func (d *dying) Stat(ctx context.Context, key string) (providers.ObjectInfo, error) {
	skip, lose := d.dies()
	if skip || lose {
		return providers.ObjectInfo{}, errKilled
	}
	return d.Objects.Stat(ctx, key)
}

func (d *dying) List(ctx context.Context, prefix string) ([]providers.ObjectInfo, error) {
	skip, lose := d.dies()
	if skip || lose {
		return nil, errKilled
	}
	return d.Objects.List(ctx, prefix)
}

func (d *dying) Put(ctx context.Context, key string, body io.ReadSeeker, o providers.PutOptions) (providers.ObjectInfo, error) {
	skip, lose := d.dies()
	if skip {
		return providers.ObjectInfo{}, errKilled
	}
	info, err := d.Objects.Put(ctx, key, body, o)
	if lose {
		return providers.ObjectInfo{}, errKilled
	}
	return info, err
}

func (d *dying) Delete(ctx context.Context, key string) error {
	skip, lose := d.dies()
	if skip {
		return errKilled
	}
	err := d.Objects.Delete(ctx, key)
	if lose {
		return errKilled
	}
	return err
}
