package fake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"deployer/providers"
)

type storedObject struct {
	data       []byte
	etag       string
	modifiedAt time.Time
}

// objects is providers.Objects.
type objects struct{ w *World }

var _ providers.Objects = objects{}

func (s objects) Get(ctx context.Context, key string, o providers.GetOptions) (out *providers.Object, err error) {
	err = s.w.run(ctx, look("objects.Get", key), func() error {
		have, err := s.w.object("reading", key)
		if err != nil {
			return err
		}
		if o.IfNoneMatch != "" && o.IfNoneMatch == have.etag {
			return fmt.Errorf("reading %s: %w", key, providers.ErrNotModified)
		}
		var body io.Reader = bytes.NewReader(have.data[min(o.Offset, int64(len(have.data))):])
		if o.MaxBytes > 0 {
			body = &bounded{r: body, left: o.MaxBytes}
		}
		out = &providers.Object{ObjectInfo: have.info(key), Body: io.NopCloser(body)}
		return nil
	})
	return out, err
}

func (s objects) Stat(ctx context.Context, key string) (info providers.ObjectInfo, err error) {
	err = s.w.run(ctx, look("objects.Stat", key), func() error {
		have, err := s.w.object("looking at", key)
		info = have.info(key)
		return err
	})
	return info, err
}

func (s objects) Put(ctx context.Context, key string, body io.ReadSeeker, o providers.PutOptions) (info providers.ObjectInfo, err error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return info, fmt.Errorf("writing %s: %w", key, err)
	}
	err = s.w.run(ctx, act("objects.Put", key), func() error {
		if err := checkKey(key); err != nil {
			return err
		}
		if o.IfAbsent && o.IfMatch != "" {
			return fmt.Errorf("writing %s: IfMatch and IfAbsent exclude each other", key)
		}
		have, found := s.w.objects[key]
		if o.IfAbsent && found || o.IfMatch != "" && o.IfMatch != have.etag {
			return fmt.Errorf("writing %s: %w", key, providers.ErrConflict)
		}
		stored := storedObject{data: data, etag: `"` + digest(string(data))[:32] + `"`, modifiedAt: s.w.Clock.wall}
		s.w.objects[key] = stored
		if info = stored.info(key); o.Sent != nil {
			o.Sent(info.Size)
		}
		return nil
	})
	return info, err
}

func (s objects) List(ctx context.Context, prefix string) (out []providers.ObjectInfo, err error) {
	err = s.w.run(ctx, look("objects.List", prefix), func() error {
		for key, have := range s.w.objects {
			if strings.HasPrefix(key, prefix) {
				out = append(out, have.info(key))
			}
		}
		slices.SortFunc(out, func(a, b providers.ObjectInfo) int { return strings.Compare(a.Key, b.Key) })
		return nil
	})
	return out, err
}

func (s objects) Delete(ctx context.Context, key string) error {
	return s.w.run(ctx, act("objects.Delete", key), func() error {
		if err := checkKey(key); err != nil {
			return err
		}
		delete(s.w.objects, key)
		return nil
	})
}

// object is what has that key, or ErrNotFound.
func (w *World) object(doing, key string) (storedObject, error) {
	if err := checkKey(key); err != nil {
		return storedObject{}, err
	}
	have, found := w.objects[key]
	if !found {
		return storedObject{}, fmt.Errorf("%s %s: %w", doing, key, providers.ErrNotFound)
	}
	return have, nil
}

// checkKey refuses what the real stores refuse.
func checkKey(key string) error {
	bad := len(key) > 1024 || !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl)
	for segment := range strings.SplitSeq(key, "/") {
		bad = bad || segment == "" || segment == "." || segment == ".." || len(segment) > 255
	}
	if bad {
		return fmt.Errorf("%q is not the key of an object", key)
	}
	return nil
}

func (o storedObject) info(key string) providers.ObjectInfo {
	return providers.ObjectInfo{Key: key, ETag: o.etag, Size: int64(len(o.data)), ModifiedAt: o.modifiedAt}
}

// bounded fails when there is more than it may give.
type bounded struct {
	r    io.Reader
	left int64
}

var errTooLarge = errors.New("longer than allowed")

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
