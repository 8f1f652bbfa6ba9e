package nix

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"deployer/providers"
)

// survey is what a push has to do: what this machine has, beside what the cache has.
type survey struct {
	*local
	// upload lists what the cache lacks or has a damaged entry of, in the order of local.
	upload []upload
	// unsigned lists what the cache has as we have it, without our signature.
	unsigned []string
	// sound are the keys of the NARs that were looked at and are as they should be.
	sound map[string]bool
}

// upload is one path to be sent.
type upload struct {
	storePath string
	// problem of the entry that it replaces, and that entry's ETag; both empty when there
	// is none.
	problem, etag string
}

// survey changes nothing. An entry about another store path is never one to replace: it may
// be somebody's good one, so it is an error, and a person decides. So is another build of a
// path that somebody else signed.
func (p *Publisher) survey(ctx context.Context, cache *Cache, root string) (*survey, error) {
	l, err := p.local(ctx, cache, root)
	if err != nil {
		return nil, err
	}
	s := &survey{local: l, sound: map[string]bool{}}
	cached, err := cache.walk(ctx, root, func(path string) bool { return l.records[path] == nil }, l.order...)
	if err != nil {
		return nil, err
	}
	for _, c := range cached {
		if c.Other != "" {
			return nil, &providers.Fault{
				Reason: CacheConflict,
				Message: fmt.Sprintf("the cache has %s where %s belongs, and it stays; if it is of no use to anybody, delete %s from the store and push again",
					c.Other, c.StorePath, narinfoKey(c.StorePath)),
			}
		}
	}
	problems, err := p.problems(ctx, cached, s.sound)
	if err != nil {
		return nil, err
	}
	entries := make(map[string]upload, len(cached))
	for i, c := range cached {
		switch {
		case !c.Found || problems[i] != "":
			entries[c.StorePath] = upload{storePath: c.StorePath, problem: problems[i], etag: c.ETag}
		case len(c.TrustedBy) == 0:
			if err := conflict(c, l.records[c.StorePath]); err != nil {
				return nil, err
			}
			s.unsigned = append(s.unsigned, c.StorePath)
		}
	}
	for _, path := range l.order {
		if e, found := entries[path]; found {
			s.upload = append(s.upload, e)
		}
	}
	return s, nil
}

// problems tells what is wrong with what the cache has of each path; empty is nothing. The
// content of a NAR is not looked at, its size is. Those in sound are not looked at again,
// and those that are found sound are added to it.
func (p *Publisher) problems(ctx context.Context, closure []PathStatus, sound map[string]bool) ([]string, error) {
	var wait sync.WaitGroup
	errs, problems := make([]error, len(closure)), make([]string, len(closure))
	slots := make(chan struct{}, atOnce)
	for i, c := range closure {
		problems[i] = c.Problem
		if !c.Found || c.Problem != "" || sound[c.URL] {
			continue
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			problems[i], errs[i] = p.nar(ctx, c)
		})
	}
	wait.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, err
		}
		if closure[i].Found && problems[i] == "" {
			sound[closure[i].URL] = true
		}
	}
	return problems, nil
}

// nar tells what is wrong with the NAR that a narinfo names.
func (p *Publisher) nar(ctx context.Context, c PathStatus) (problem string, err error) {
	info, err := p.o.Objects.Stat(ctx, c.URL)
	switch {
	case errors.Is(err, providers.ErrNotFound):
		return "its NAR is gone", nil
	case err != nil:
		return "", err
	case c.DownloadSize > 0 && info.Size >= 0 && info.Size != c.DownloadSize:
		return fmt.Sprintf("its NAR has %d bytes and should have %d", info.Size, c.DownloadSize), nil
	}
	return "", nil
}
