package nix

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/nix-community/go-nix/pkg/narinfo"
	"github.com/nix-community/go-nix/pkg/nixhash"
	"golang.org/x/sync/errgroup"

	"deployer/providers"
)

const (
	// atOnce is how many small questions are put to the store at once.
	atOnce = 32
	// narsAtOnce is how many compressed NARs are on their way, or wait for it, at once: it
	// bounds the room that they take.
	narsAtOnce = 16
	// worthAsking is from where on it is quicker to ask whether a NAR is there than to send
	// it again.
	worthAsking = 256 << 10
	// tries bounds what is tried again: a conditional write whose answer got lost, and a
	// race for a narinfo.
	tries = 3
)

// uploader sends paths, several at a time. What makes it safe to stop at any moment, and to
// run twice at once: a narinfo is put only after its NAR, and after the narinfos of all that
// the path needs. So whatever has a narinfo can be pulled.
type uploader struct {
	p       *Publisher
	survey  *survey
	tell    *teller
	jobs    map[string]*job
	packers chan *packer
}

// job is one path on its way.
type job struct {
	upload
	mine *record
	// done is closed when the cache has all of it.
	done chan struct{}
}

func (p *Publisher) upload(ctx context.Context, s *survey, tell *teller) error {
	u := &uploader{p: p, survey: s, tell: tell, jobs: map[string]*job{}, packers: make(chan *packer, runtime.GOMAXPROCS(0))}
	for range cap(u.packers) {
		packer, err := newPacker()
		if err != nil {
			return err
		}
		u.packers <- packer
	}
	for _, up := range s.upload {
		u.jobs[up.storePath] = &job{upload: up, mine: s.records[up.storePath], done: make(chan struct{})}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.putCacheInfo(ctx) })
	group.Go(func() error { return u.sendAll(ctx, group) })
	return group.Wait()
}

// sendAll begins each path when there is room for its NAR, references before referrers.
func (u *uploader) sendAll(ctx context.Context, group *errgroup.Group) error {
	slots := make(chan struct{}, narsAtOnce)
	for _, up := range u.survey.upload {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		group.Go(func() error { return u.send(ctx, u.jobs[up.storePath], func() { <-slots }) })
	}
	return nil
}

// send is one path: its NAR, then its narinfo. sent gives the place of its NAR to another.
func (u *uploader) send(ctx context.Context, j *job, sent func()) error {
	info, err := u.nar(ctx, j)
	sent()
	if err != nil {
		return err
	}
	for _, ref := range j.mine.refs {
		other := u.jobs[ref]
		if other == nil || other == j {
			continue // the cache has had it all along
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err = u.p.putNarinfo(ctx, info, providers.PutOptions{IfAbsent: j.etag == "", IfMatch: j.etag})
	// Somebody else put one meanwhile. What theirs says is looked at when all is read back.
	if err != nil && !errors.Is(err, providers.ErrConflict) {
		return err
	}
	close(j.done)
	u.tell.done(j)
	return nil
}

// nar compresses and sends the content of a path, and gives the narinfo for it.
func (u *uploader) nar(ctx context.Context, j *job) (*narinfo.NarInfo, error) {
	var packer *packer
	select {
	case packer = <-u.packers:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	nar, err := packer.pack(ctx, u.p.o.DiskRoot, j.storePath, j.mine)
	u.packers <- packer
	if err != nil {
		return nil, err
	}
	defer nar.Close()
	if err := u.put(ctx, j, nar); err != nil {
		return nil, err
	}
	return u.narinfo(j, nar)
}

// put sends a NAR, unless an earlier push that was stopped has sent it already.
func (u *uploader) put(ctx context.Context, j *job, nar *packed) error {
	if nar.size >= worthAsking {
		info, err := u.p.o.Objects.Stat(ctx, nar.key())
		if err == nil && info.Size == nar.size {
			return nil
		}
		if err != nil && !errors.Is(err, providers.ErrNotFound) {
			return err
		}
	}
	_, err := u.p.o.Objects.Put(ctx, nar.key(), nar, providers.PutOptions{
		ContentType: contentType(nar.key()), Sent: func(n int64) { u.tell.sent(j, n, nar.size) },
	})
	return err
}

// narinfo is what the cache says of the path, signed by us. Other people's signatures come
// along, but for those that claim to be ours.
func (u *uploader) narinfo(j *job, nar *packed) (*narinfo.NarInfo, error) {
	narHash, err := nixhash.ParseAny(j.mine.narHash, nil)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", j.storePath, err)
	}
	fileHash, err := nixhash.NewHashWithEncoding(nixhash.SHA256, nar.sum, nixhash.NixBase32, true)
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", j.storePath, err)
	}
	info := &narinfo.NarInfo{
		StorePath: j.storePath, URL: nar.key(), Compression: "zstd",
		FileHash: fileHash, FileSize: uint64(nar.size), NarHash: narHash, NarSize: uint64(j.mine.narSize), //nolint:gosec // sizes are not negative
		Deriver: strings.TrimPrefix(j.mine.deriver, storeDir), CA: u.survey.extras[j.storePath].ca,
	}
	for _, ref := range j.mine.refs {
		info.References = append(info.References, strings.TrimPrefix(ref, storeDir))
	}
	for _, sig := range u.survey.extras[j.storePath].signatures {
		if sig.Name != u.p.name {
			info.Signatures = append(info.Signatures, sig)
		}
	}
	sig, err := u.p.key.Sign(nil, info.Fingerprint())
	if err != nil {
		return nil, fmt.Errorf("signing %s: %w", j.storePath, err)
	}
	info.Signatures = append(info.Signatures, sig)
	return info, nil
}

// putNarinfo writes a narinfo. A store does not try a conditional write again by itself
// after an unclear answer; here that does no harm, for what a lost answer wrote is ours and
// is read back in the end.
func (p *Publisher) putNarinfo(ctx context.Context, info *narinfo.NarInfo, o providers.PutOptions) error {
	key, pause := narinfoKey(info.StorePath), firstPause
	for n := 1; ; n++ {
		err := p.putSmall(ctx, key, info.String(), o)
		if n == tries || !errors.Is(err, providers.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		pause *= 3
	}
}

const firstPause = 200 * time.Millisecond

// putCacheInfo: a stock Nix wants to know what kind of cache this is.
func (p *Publisher) putCacheInfo(ctx context.Context) error {
	_, err := p.o.Objects.Stat(ctx, cacheInfoKey)
	if errors.Is(err, providers.ErrNotFound) {
		err = p.putSmall(ctx, cacheInfoKey, cacheInfo, providers.PutOptions{IfAbsent: true})
	}
	if errors.Is(err, providers.ErrConflict) {
		return nil
	}
	return err
}

// putSmall writes with the condition where the store honours conditions. Elsewhere the last
// writer wins: whoever it is, what is there can be pulled.
func (p *Publisher) putSmall(ctx context.Context, key, text string, o providers.PutOptions) error {
	conditional, err := p.o.Conditional(ctx)
	if err != nil {
		return fmt.Errorf("asking the store for conditional writes: %w", err)
	}
	if !conditional {
		o.IfAbsent, o.IfMatch = false, ""
	}
	o.ContentType = contentType(key)
	_, err = p.o.Objects.Put(ctx, key, strings.NewReader(text), o)
	return err
}
