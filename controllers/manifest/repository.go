package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Key is the manifest's key in the store.
const Key = "manifest.json"

// MaxBytes bounds a manifest; a longer one is refused unread.
const MaxBytes = 1 << 20

// Options of a Repository. Objects is required.
type Options struct {
	Objects providers.Objects
	// StoreName is the store's URL without credentials, for messages.
	StoreName string
	// Conditional tells whether the store honours If-Match; asked once, before the first
	// write. Nil means that it does.
	Conditional func(ctx context.Context) (bool, error)
	// Warn is told, once, of a store without conditional writes.
	Warn func(message string)
	Now  func() time.Time
}

// Repository is the manifest in a store.
type Repository struct {
	objects     providers.Objects
	storeName   string
	conditional func(context.Context) (bool, error)
	warn        func(string)
	now         func() time.Time
	archived    archives
}

// NewRepository makes a Repository. It reads nothing yet.
func NewRepository(o Options) *Repository {
	r := &Repository{
		objects: o.Objects, storeName: o.StoreName, conditional: o.Conditional, warn: o.Warn, now: o.Now,
	}
	if r.conditional == nil {
		r.conditional = func(context.Context) (bool, error) { return true, nil }
	}
	if r.warn == nil {
		r.warn = func(string) {}
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.conditional = r.askOnce(r.conditional)
	return r
}

// askOnce remembers the store's answer and warns, once, of a store without conditional
// writes. A question without an answer is asked again.
func (r *Repository) askOnce(ask func(context.Context) (bool, error)) func(context.Context) (bool, error) {
	var mu sync.Mutex
	var answered, honours bool
	return func(ctx context.Context) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if answered {
			return honours, nil
		}
		answer, err := ask(ctx)
		if err != nil {
			return false, err
		}
		if answered, honours = true, answer; !honours {
			r.warn("the store " + r.storeName + " ignores conditional writes: writers wait for each other instead")
		}
		return honours, nil
	}
}

// Snapshot is a manifest as the store had it.
type Snapshot struct {
	Manifest *v1.Manifest
	// Raw are the bytes of the object.
	Raw []byte
	// ETag is the store's; Hash is of the content, and decides.
	ETag string
	Hash string
	// ModifiedAt is the store's time of the write.
	ModifiedAt time.Time
	// damaged: the manifest is a stand-in for one that cannot be read; missing: for one that
	// is not there.
	damaged, missing bool
}

func (s *Snapshot) standsIn() bool { return s.damaged || s.missing }

// StoreName is the store's URL without credentials.
func (r *Repository) StoreName() string { return r.storeName }

// Read gets the manifest in force. A store without one is providers.ErrNotFound with the
// way out, for which it looks at the archive: it is for people, and not for polls.
func (r *Repository) Read(ctx context.Context) (*Snapshot, error) {
	s, err := r.ReadIfChanged(ctx, "")
	if errors.Is(err, providers.ErrNotFound) {
		return nil, r.explainMissing(ctx, err)
	}
	return s, err
}

// ReadIfChanged is Read with one more answer: providers.ErrNotModified when the object
// still has that ETag. It never asks the store more than once.
func (r *Repository) ReadIfChanged(ctx context.Context, etag string) (*Snapshot, error) {
	s, err := r.get(ctx, Key, etag)
	if errors.Is(err, providers.ErrNotFound) {
		return nil, missing("there is no manifest in " + r.storeName +
			"; if it was lost: " + bringBack + "; if there never was one: `deploy-manifest init`")
	}
	return s, err
}

func (r *Repository) get(ctx context.Context, key, etag string) (*Snapshot, error) {
	raw, info, err := r.fetch(ctx, key, etag)
	if err != nil {
		return nil, err
	}
	m, err := v1.Decode(raw)
	if err != nil {
		return nil, &InvalidError{Key: key, Raw: raw, ETag: info.ETag, Err: err}
	}
	return &Snapshot{Manifest: m, Raw: raw, ETag: info.ETag, Hash: m.Hash(), ModifiedAt: info.ModifiedAt}, nil
}

func (r *Repository) fetch(ctx context.Context, key, etag string) ([]byte, providers.ObjectInfo, error) {
	object, err := r.objects.Get(ctx, key, providers.GetOptions{IfNoneMatch: etag, MaxBytes: MaxBytes})
	if err != nil {
		return nil, providers.ObjectInfo{}, err // it names the key
	}
	defer object.Body.Close()
	raw, err := io.ReadAll(object.Body)
	if err != nil {
		return nil, providers.ObjectInfo{}, fmt.Errorf("reading %s: %w", key, err)
	}
	return raw, object.ObjectInfo, nil
}

// InvalidError is an object in the manifest's place that is not a usable manifest.
type InvalidError struct {
	Key string
	// Raw and ETag are the object as it was read.
	Raw  []byte
	ETag string
	Err  error
}

// Error names the object and every problem in it, and the way out.
func (e *InvalidError) Error() string {
	wayOut := "`deploy-manifest rollback` brings an archived one back"
	if v1.NeedsNewer(e.Err) {
		wayOut = "a newer Deployer wrote it: install that one here, too"
	}
	return fmt.Sprintf("%s is not a usable manifest (%s): %v", e.Key, wayOut, e.Err)
}

// Unwrap gives the problems.
func (e *InvalidError) Unwrap() error { return e.Err }

// ErrorReason is NeedsNewerDeployer for a document of a newer program.
func (e *InvalidError) ErrorReason() string {
	if v1.NeedsNewer(e.Err) {
		return "NeedsNewerDeployer"
	}
	return "ManifestInvalid"
}

// put writes the manifest under a key.
func (r *Repository) put(ctx context.Context, key string, m *v1.Manifest, o providers.PutOptions) error {
	data, err := v1.Encode(m)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", key, err)
	}
	o.ContentType = "application/json"
	_, err = r.objects.Put(ctx, key, bytes.NewReader(data), o)
	return err // it names the key
}
