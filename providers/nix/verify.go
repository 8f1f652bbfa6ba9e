package nix

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/nix-community/go-nix/pkg/nixbase32"

	"deployer/providers"
)

// Verify does what nix-store --verify-path does, in this process: so it can be slow and be
// stopped at any moment, and one path whose files are gone keeps no other from being read.
//
// A path that differs is looked at twice, with what the database says then: a collector or a
// pull may have been at work.
func (m *Manager) Verify(ctx context.Context, r providers.VerifyRequest) (providers.Verified, error) {
	var out providers.Verified
	paths, err := m.closures(ctx, r.StorePaths)
	if err != nil {
		return out, err
	}
	pace := &paced{ctx: ctx, perSecond: r.BytesPerSecond, began: time.Now()}
	var unread []error
	for _, p := range paths {
		what, valid, err := m.compare(ctx, p, pace)
		if err == nil && what != "" {
			what, valid, err = m.compare(ctx, p, pace)
		}
		switch {
		case ctx.Err() != nil:
			return out, fmt.Errorf("verifying %s: %w", p, ctx.Err())
		case err != nil:
			unread = append(unread, fmt.Errorf("verifying %s: %w", p, err))
		case valid:
			out.Paths++
			if what != "" {
				out.Altered = append(out.Altered, providers.Altered{StorePath: p, What: what})
			}
		}
	}
	return out, errors.Join(unread...)
}

// closures are all paths of the closures of the valid ones among these, each once.
func (m *Manager) closures(ctx context.Context, storePaths []string) ([]string, error) {
	for _, p := range storePaths {
		if err := checkPath(p); err != nil {
			return nil, err
		}
	}
	f := m.facts
	if err := f.acquire(ctx); err != nil {
		return nil, err
	}
	defer f.release()
	if err := f.refresh(ctx, storePaths); err != nil {
		return nil, err
	}
	var all []string
	for _, p := range storePaths {
		if f.records[p] != nil {
			all = append(all, f.closure(p)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// compare says what is wrong with the files of a path, and whether it is valid at all.
func (m *Manager) compare(ctx context.Context, storePath string, pace *paced) (what string, valid bool, err error) {
	want, err := m.registered(ctx, storePath)
	if want == nil || err != nil {
		return "", false, err
	}
	sum := sha256.New()
	err = writeNar(io.MultiWriter(pace, sum), m.o.DiskRoot+storePath)
	var unreadable *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "its files are not there", true, nil
	case ctx.Err() != nil || errors.As(err, &unreadable):
		return "", true, err // an I/O error must not start a repair
	case err != nil:
		return err.Error(), true, nil //nolint:nilerr // what is no file is what somebody altered
	}
	if has := "sha256:" + nixbase32.EncodeToString(sum.Sum(nil)); has != want.narHash {
		return (&changedError{has: has, want: want.narHash}).Error(), true, nil
	}
	return "", true, nil
}

// registered is what the database says of a path now; nil when it is not valid.
func (m *Manager) registered(ctx context.Context, storePath string) (*record, error) {
	f := m.facts
	if err := f.acquire(ctx); err != nil {
		return nil, err
	}
	defer f.release()
	if err := f.refresh(ctx, []string{storePath}); err != nil {
		return nil, err
	}
	return f.records[storePath], nil
}

// paced lets bytes pass at a speed, and none when nobody waits for them any more.
type paced struct {
	ctx       context.Context //nolint:containedctx // a Writer is given none
	perSecond int64
	began     time.Time
	passed    int64
}

func (p *paced) Write(b []byte) (int, error) {
	p.passed += int64(len(b))
	var ahead time.Duration
	if p.perSecond > 0 {
		due := time.Duration(float64(p.passed) / float64(p.perSecond) * float64(time.Second))
		ahead = due - time.Since(p.began)
	}
	if ahead <= 0 {
		return len(b), p.ctx.Err()
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-p.ctx.Done():
	case <-timer.C:
	}
	return len(b), p.ctx.Err()
}
