package nix

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/nix-community/go-nix/pkg/nixbase32"

	"deployer/providers"
)

// packer turns paths into files as a cache keeps them, one at a time: its encoder is too
// large to be made for each.
type packer struct {
	encoder *zstd.Encoder
}

func newPacker() (*packer, error) {
	// One goroutine each: there are as many packers as processors.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return nil, fmt.Errorf("making a compressor: %w", err)
	}
	return &packer{encoder: encoder}, nil
}

// packed is a compressed NAR, in a file that has no name any more: it is gone when the
// process is, however that ends.
type packed struct {
	*os.File
	size int64
	// sum is the SHA-256 of the file.
	sum []byte
}

// key is where the cache has it. The name is that of the content, so whoever writes it
// writes the same.
func (k *packed) key() string { return "nar/" + nixbase32.EncodeToString(k.sum) + ".nar.zst" }

// pack compresses the NAR of a path, and fails when that is not the one that the Nix
// database knows.
func (k *packer) pack(ctx context.Context, diskRoot, storePath string, mine *record) (*packed, error) {
	file, err := nameless()
	if err != nil {
		return nil, fmt.Errorf("making room for a compressed copy: %w", err)
	}
	out, err := k.packInto(ctx, file, diskRoot+storePath, mine)
	if err != nil {
		_ = file.Close()
		return nil, explainPack(ctx, storePath, err)
	}
	return out, nil
}

func (k *packer) packInto(ctx context.Context, file *os.File, path string, mine *record) (*packed, error) {
	compressed := &counter{next: file, sum: sha256.New()}
	k.encoder.Reset(compressed)
	nar := &counter{next: &cancellable{ctx: ctx, next: k.encoder}, sum: sha256.New()}
	if err := writeNar(nar, path); err != nil {
		return nil, err
	}
	if err := k.encoder.Close(); err != nil {
		return nil, err
	}
	if has := "sha256:" + nixbase32.EncodeToString(nar.sum.Sum(nil)); has != mine.narHash {
		return nil, &changedError{has: has, want: mine.narHash}
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return &packed{File: file, size: compressed.n, sum: compressed.sum.Sum(nil)}, nil
}

// changedError: the files are not those that were registered.
type changedError struct{ has, want string }

func (e *changedError) Error() string {
	return fmt.Sprintf("their hash is %s and should be %s", e.has, e.want)
}

func explainPack(ctx context.Context, storePath string, err error) error {
	var changed *changedError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("compressing %s: %w", storePath, ctx.Err())
	case errors.As(err, &changed), errors.Is(err, fs.ErrNotExist):
		return &providers.Fault{
			Reason:  PathDamaged,
			Message: fmt.Sprintf("the files of %s are not what this machine's nix database says: `nix-store --repair-path %s`, or build it again", storePath, storePath),
			Err:     err,
		}
	}
	return fmt.Errorf("compressing %s into %s (TMPDIR chooses another place): %w", storePath, os.TempDir(), err)
}

// counter hashes and counts what passes.
type counter struct {
	next io.Writer
	sum  hash.Hash
	n    int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.sum.Write(p)
	c.n += int64(len(p))
	return c.next.Write(p)
}

// cancellable ends a long copy when the caller gives up.
type cancellable struct {
	ctx  context.Context
	next io.Writer
}

func (c *cancellable) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.next.Write(p)
}
