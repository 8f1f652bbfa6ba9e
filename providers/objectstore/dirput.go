package objectstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"deployer/providers"
)

const (
	lockFile = reserved + "/lock"
	tempDir  = reserved + "/tmp"
	// A temp file this old belongs to nobody who still runs.
	tempLife  = 24 * time.Hour
	lockPause = 3 * time.Millisecond
)

// errLocked: the lock was not free for as long as one call may wait.
var errLocked = errors.New("locked by another process")

// Put writes an object whole or not at all, from the body's present position to its end:
// into a file beside, flushed to disk, then moved under its key while no other process can
// write. A directory keeps no content type. After a crash there is the old object or the new one.
func (d *dir) Put(ctx context.Context, key string, body io.ReadSeeker, o providers.PutOptions) (providers.ObjectInfo, error) {
	if err := checkPut(key, o); err != nil {
		return providers.ObjectInfo{}, fmt.Errorf("writing: %w", err)
	}
	info, err := d.put(ctx, key, body, o)
	var unreadable *contentError
	switch {
	case errors.As(err, &unreadable):
		return providers.ObjectInfo{}, fmt.Errorf("writing %s: %w", key, unreadable)
	case errors.Is(err, providers.ErrConflict):
		return providers.ObjectInfo{}, certain("writing", key, providers.ErrConflict)
	case err != nil:
		return providers.ObjectInfo{}, d.explain(ctx, attempt{op: "writing", key: key}, err)
	}
	return info, nil
}

func (d *dir) put(ctx context.Context, key string, body io.Reader, o providers.PutOptions) (providers.ObjectInfo, error) {
	root, err := d.root(ctx)
	if err != nil {
		return providers.ObjectInfo{}, err
	}
	defer func() { _ = root.Close() }()
	if err := root.MkdirAll(tempDir, 0o700); err != nil {
		return providers.ObjectInfo{}, err
	}
	temp := tempDir + "/" + rand.Text()
	defer func() { _ = root.Remove(temp) }()
	info, err := writeTemp(ctx, root, temp, body)
	if err != nil {
		return providers.ObjectInfo{}, err
	}
	if info.Key = key; o.Sent != nil {
		o.Sent(info.Size)
	}
	unlock, err := d.lock(ctx, root)
	if err != nil {
		return providers.ObjectInfo{}, err
	}
	defer unlock()
	sweepTemp(root)
	if err := checkCurrent(root, key, o); err != nil {
		return providers.ObjectInfo{}, err
	}
	return info, place(root, temp, key, o)
}

// writeTemp leaves a whole file on disk and describes it as an object.
func writeTemp(ctx context.Context, root *os.Root, name string, body io.Reader) (providers.ObjectInfo, error) {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return providers.ObjectInfo{}, err
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, hash), &cancellable{ctx: ctx, next: body})
	if err != nil {
		return providers.ObjectInfo{}, err
	}
	if err := f.Sync(); err != nil {
		return providers.ObjectInfo{}, err
	}
	stat, err := f.Stat()
	if err != nil {
		return providers.ObjectInfo{}, err
	}
	info := providers.ObjectInfo{Size: size, ModifiedAt: stat.ModTime().UTC(), ETag: identityTag(stat)}
	if size <= hashedUpTo {
		info.ETag = contentTag([sha256.Size]byte(hash.Sum(nil)))
	}
	return info, f.Close()
}

// checkCurrent compares what is there with the condition. Under the lock.
func checkCurrent(root *os.Root, key string, o providers.PutOptions) error {
	if stat, err := root.Lstat(key); err == nil && stat.IsDir() {
		return syscall.EISDIR
	}
	if o.IfMatch == "" {
		return nil
	}
	obj, err := openObject(root, key)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return providers.ErrConflict
	}
	if err != nil {
		return err
	}
	if obj.info.ETag != o.IfMatch {
		_ = obj.Close()
		return providers.ErrConflict
	}
	return obj.Close()
}

// place moves the file under its key. Under the lock.
func place(root *os.Root, temp, key string, o providers.PutOptions) error {
	if err := root.MkdirAll(path.Dir(key), 0o700); err != nil {
		return err
	}
	if o.IfAbsent {
		// A link never replaces anything, not even what a stranger without our lock made.
		err := root.Link(temp, key)
		if errors.Is(err, fs.ErrExist) {
			return providers.ErrConflict
		}
		if err != nil {
			return err
		}
	} else if err := root.Rename(temp, key); err != nil {
		return err
	}
	return syncUp(root, path.Dir(key))
}

// syncUp makes the names durable, up to the store's own directory.
func syncUp(root *os.Root, name string) error {
	for {
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		err = f.Sync()
		_ = f.Close()
		if err != nil || name == "." {
			return err
		}
		name = path.Dir(name)
	}
}

// Delete removes an object and the directories that it leaves empty.
func (d *dir) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return fmt.Errorf("deleting: %w", err)
	}
	if err := d.remove(ctx, key); err != nil {
		return d.explain(ctx, attempt{op: "deleting", key: key}, err)
	}
	return nil
}

func (d *dir) remove(ctx context.Context, key string) error {
	root, err := d.root(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if absent, err := isAbsent(root, key); absent || err != nil {
		return err
	}
	if err := root.MkdirAll(reserved, 0o700); err != nil {
		return err
	}
	unlock, err := d.lock(ctx, root)
	if err != nil {
		return err
	}
	defer unlock()
	if absent, err := isAbsent(root, key); absent || err != nil {
		return err
	}
	if err := root.Remove(key); err != nil {
		return err
	}
	parent := path.Dir(key)
	for parent != "." && root.Remove(parent) == nil {
		parent = path.Dir(parent)
	}
	return syncUp(root, parent)
}

func isAbsent(root *os.Root, key string) (bool, error) {
	stat, err := root.Lstat(key)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return true, nil
	}
	return err == nil && stat.IsDir(), err
}

// lock keeps all other writers out, in this process and in others.
func (d *dir) lock(ctx context.Context, root *os.Root) (unlock func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.o.HeaderTimeout, errLocked)
	defer cancel()
	f, err := root.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			if err = d.o.Sleep(ctx, lockPause); err == nil {
				continue
			}
			err = context.Cause(ctx)
		}
		_ = f.Close()
		return nil, err
	}
}

// sweepTemp removes what killed writers left. Under the lock; best effort.
func sweepTemp(root *os.Root) {
	entries, err := fs.ReadDir(root.FS(), tempDir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > tempLife {
			_ = root.Remove(tempDir + "/" + e.Name())
		}
	}
}

// cancellable stops a long copy when the caller gives up.
type cancellable struct {
	ctx  context.Context
	next io.Reader
}

// Read reads unless the context is done.
func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.next.Read(p)
	if err != nil && err != io.EOF {
		err = &contentError{err: err}
	}
	return n, err
}
