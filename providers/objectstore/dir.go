package objectstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"deployer/providers"
)

// hashedUpTo is the size up to which an object's ETag is the hash of its content. A
// larger one has an ETag made of inode, size and time, as web servers do it: a Put always
// makes a new file, and nobody wants a gigabyte read for a Stat.
const hashedUpTo = 1 << 20

// dir is a directory as a store: one machine, no S3. Objects are files under their keys,
// private to the owner, since a manifest's env is nobody else's business. Safe for many
// processes at once. Every call opens the directory anew and only ever looks beneath it.
type dir struct {
	loc Location
	o   Options
}

var _ providers.Objects = (*dir)(nil)

func openDir(loc Location, o Options) (*dir, error) {
	d := &dir{loc: loc, o: o}
	if o.Create {
		if err := os.MkdirAll(loc.Dir, 0o700); err != nil {
			return nil, d.explain(context.Background(), attempt{op: "creating"}, err)
		}
	}
	return d, nil
}

// String is the store's URL.
func (d *dir) String() string { return d.loc.String() }

func (d *dir) root(ctx context.Context) (*os.Root, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(d.loc.Dir)
	if err != nil {
		return nil, &rootError{err: err}
	}
	return root, nil
}

// rootError: the store's directory itself cannot be opened. Then a missing file says
// nothing about a key.
type rootError struct{ err error }

func (e *rootError) Error() string { return e.err.Error() }
func (e *rootError) Unwrap() error { return e.err }

// Get opens an object. An Offset at or behind its end gives an empty body.
func (d *dir) Get(ctx context.Context, key string, o providers.GetOptions) (*providers.Object, error) {
	if err := checkKey(key); err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	a := attempt{op: "reading", key: key}
	obj, err := d.open(ctx, key)
	if err != nil {
		return nil, d.answer(ctx, a, err)
	}
	if o.IfNoneMatch != "" && obj.info.ETag == o.IfNoneMatch {
		_ = obj.Close()
		return nil, certain(a.op, key, providers.ErrNotModified)
	}
	start := min(max(o.Offset, 0), obj.info.Size)
	if _, err := obj.Seek(start, io.SeekStart); err != nil {
		_ = obj.Close()
		return nil, d.explain(ctx, a, err)
	}
	return &providers.Object{ObjectInfo: obj.info, Body: &body{
		ReadCloser: obj, want: obj.info.Size - start, max: o.MaxBytes,
		explain:  func(err error) error { return d.explain(ctx, a, err) },
		tooLarge: func() error { return tooLarge(a, d.loc.String(), o.MaxBytes) },
	}}, nil
}

// Stat is Get without the body.
func (d *dir) Stat(ctx context.Context, key string) (providers.ObjectInfo, error) {
	obj, err := d.Get(ctx, key, providers.GetOptions{})
	if err != nil {
		return providers.ObjectInfo{}, err
	}
	return obj.ObjectInfo, obj.Body.Close()
}

// opened is an object with a content that fits its ETag, whatever happens to the file.
type opened struct {
	io.ReadSeeker
	io.Closer
	info providers.ObjectInfo
}

func (d *dir) open(ctx context.Context, key string) (*opened, error) {
	root, err := d.root(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	return openObject(root, key)
}

func openObject(root *os.Root, key string) (*opened, error) {
	// Without O_NONBLOCK somebody's named pipe would hold us for ever.
	f, err := root.OpenFile(key, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	obj, err := identify(f, key)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return obj, nil
}

func identify(f *os.File, key string) (*opened, error) {
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !stat.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	obj := &opened{ReadSeeker: f, Closer: f, info: providers.ObjectInfo{
		Key: key, Size: stat.Size(), ModifiedAt: stat.ModTime().UTC(), ETag: identityTag(stat),
	}}
	if stat.Size() > hashedUpTo {
		return obj, nil
	}
	content, err := io.ReadAll(io.LimitReader(f, hashedUpTo+1))
	if err != nil {
		return nil, err
	}
	if len(content) <= hashedUpTo { // it may have grown meanwhile
		obj.ReadSeeker = bytes.NewReader(content)
		obj.info.Size = int64(len(content))
		obj.info.ETag = contentTag(sha256.Sum256(content))
	}
	return obj, nil
}

func contentTag(sum [sha256.Size]byte) string { return `"` + hex.EncodeToString(sum[:]) + `"` }

func identityTag(stat fs.FileInfo) string {
	var inode uint64
	if sys, ok := stat.Sys().(*syscall.Stat_t); ok {
		inode = sys.Ino
	}
	return contentTag(sha256.Sum256(fmt.Appendf(nil, "%d %d %d", inode, stat.Size(), stat.ModTime().UnixNano())))
}

// List gives all objects below a prefix, by key. What is no object (symbolic links, pipes,
// names that are no keys) is left out.
func (d *dir) List(ctx context.Context, prefix string) ([]providers.ObjectInfo, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, fmt.Errorf("listing: %w", err)
	}
	a := attempt{op: "listing", key: prefix}
	root, err := d.root(ctx)
	if err != nil {
		return nil, d.explain(ctx, a, err)
	}
	defer func() { _ = root.Close() }()
	var all []providers.ObjectInfo
	start := path.Dir(prefix + "x") // the directory that a prefix such as "a/b/c" begins in
	err = fs.WalkDir(root.FS(), start, func(key string, entry fs.DirEntry, err error) error {
		isKey := checkKey(key) == nil
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			return nil // gone since the directory was read
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case key == ".":
			return nil
		case !isKey && entry.IsDir():
			return fs.SkipDir
		case !entry.Type().IsRegular() || !isKey || !strings.HasPrefix(key, prefix):
			return nil
		}
		obj, err := openObject(root, key)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // likewise
		}
		if err != nil {
			return err
		}
		all = append(all, obj.info)
		return obj.Close()
	})
	if err != nil {
		return nil, d.explain(ctx, a, err)
	}
	slices.SortFunc(all, byKey)
	return all, nil
}

// answer is explain, for calls where a missing file means a missing key.
func (d *dir) answer(ctx context.Context, a attempt, err error) error {
	var rootFailed *rootError
	absent := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
	if absent && !errors.As(err, &rootFailed) {
		return certain(a.op, a.key, providers.ErrNotFound)
	}
	return d.explain(ctx, a, err)
}

func (d *dir) explain(ctx context.Context, a attempt, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	e := &Error{Op: a.op, Key: a.key, Store: d.loc.String(), Err: err}
	var rootFailed *rootError
	switch {
	case errors.Is(err, errLocked):
		e.Reason, e.Advice = Slow, fmt.Sprintf("another process has held its lock for %s; look for a stopped deployer command (fuser %s/%s)", d.o.HeaderTimeout, d.loc.Dir, lockFile)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded):
		e.Reason, e.Advice = Slow, "the disk did not answer in the time given; try again, or look at its load"
	case errors.Is(err, context.Canceled), ctx.Err() != nil:
		e.Reason, e.Advice = Cancelled, "cancelled before it was done"
	case errors.As(err, &rootFailed) && errors.Is(err, fs.ErrNotExist):
		e.Reason, e.Advice = NoSuchBucket, "the directory does not exist; mount it, or create the store with deploy-manifest init"
	case leadsOut(err):
		e.Reason, e.Advice = AccessDenied, "a symbolic link on the way leads out of the directory; remove it"
	case errors.Is(err, fs.ErrPermission):
		e.Reason, e.Advice = AccessDenied, "this user may not do that in the directory; run as its owner, usually root"
	case errors.Is(err, syscall.EROFS):
		e.Reason, e.Advice = AccessDenied, "the directory is mounted read-only; mount it for writing"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Reason, e.Advice = DiskFull, "no space is left there; free some"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist):
		e.Reason, e.Advice = KeyClash, "the key, or a part of it, is a file where the other has to be a directory; choose another key"
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Reason, e.Advice = BadAnswer, "the file became shorter while it was read; write it with deploy-manifest only"
	default:
		e.Reason, e.Advice = ServerError, fmt.Sprintf("the directory cannot be used (%s); look at the disk", lastLine(err))
	}
	return e
}

// leadsOut knows os.Root's refusal, which has a text and no exported value.
func leadsOut(err error) bool {
	return strings.HasSuffix(err.Error(), "path escapes from parent")
}
