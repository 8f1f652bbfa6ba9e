package nix

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"deployer/providers"
)

// requisites are the path and all that it needs, by this machine's own Nix. It comes before
// everything else: what the cache has under the hash of a path that is not valid here is
// somebody else's, however bad it looks next to a mistyped name.
func (p *Publisher) requisites(ctx context.Context, cache *Cache, storePath string) ([]string, error) {
	invalid, err := p.ask(ctx, "--check-validity", "--print-invalid", storePath)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(invalid) != "" {
		return nil, p.invalid(ctx, cache, storePath)
	}
	closure, err := p.ask(ctx, "--query", "--requisites", storePath)
	if err != nil {
		return nil, err
	}
	paths := strings.Fields(closure)
	if !slices.Contains(paths, storePath) {
		return nil, unclear("it does not count " + storePath + " among what that needs")
	}
	return paths, nil
}

// invalid says that the path is not here, and of another name that the cache knows.
func (p *Publisher) invalid(ctx context.Context, cache *Cache, storePath string) error {
	advice := ": build it first"
	// A store that gives no answer has no name to offer; that the path is not here is sure.
	if status, err := cache.status(ctx, storePath); err == nil && !status.Found && status.Other != "" {
		advice = "; " + meant(status.Other)
	}
	return &providers.Fault{Reason: PathInvalid, Message: storePath + " is not in this machine's nix store" + advice}
}

// ask asks this machine's own Nix, as its user would.
func (p *Publisher) ask(ctx context.Context, args ...string) (stdout string, err error) {
	result, err := p.o.Runner.Run(ctx, Command{Name: "nix-store", Args: args, Env: p.o.Environ, Timeout: time.Minute})
	switch {
	case errors.Is(err, ErrNoNix):
		return "", noNix(err)
	case err != nil:
		return "", explainQuery(result, err)
	}
	return result.Stdout, nil
}

func noNix(err error) error {
	return &providers.Fault{Reason: NixUnavailable, Message: "nix is not installed on this machine, or not in PATH", Err: err}
}

// entry is a damaged entry of the cache, and how it is damaged.
type entry struct {
	storePath, problem string
}

// damaged gives the entries of the cache that must be uploaded again. An entry about
// another store path is never one of them: it may be somebody's good one, so it is an
// error, and a person decides.
func (p *Publisher) damaged(ctx context.Context, cache *Cache, paths []string) ([]entry, error) {
	valid := make(map[string]bool, len(paths))
	for _, s := range paths {
		valid[s] = true
	}
	closure, err := cache.walk(ctx, paths[0], func(s string) bool { return !valid[s] }, paths...)
	if err != nil {
		return nil, err
	}
	for _, c := range closure {
		if c.Other != "" {
			return nil, &providers.Fault{
				Reason: CacheConflict,
				Message: fmt.Sprintf("the cache has %s where %s belongs, and it stays; if it is of no use to anybody, delete %s from the store and push again",
					c.Other, c.StorePath, narinfoKey(c.StorePath)),
			}
		}
	}
	problems, err := p.problems(ctx, closure)
	if err != nil {
		return nil, err
	}
	var out []entry
	for i, c := range closure {
		if problems[i] != "" {
			out = append(out, entry{storePath: c.StorePath, problem: problems[i]})
		}
	}
	return out, nil
}

// mend takes damaged entries out of the cache, so that they are uploaded again: Nix skips
// what has a narinfo, whatever became of its NAR.
func (p *Publisher) mend(ctx context.Context, damaged []entry, progress func(string)) error {
	for _, d := range damaged {
		progress("replacing " + d.storePath + " in the cache: " + d.problem)
		if err := p.o.Objects.Delete(ctx, narinfoKey(d.storePath)); err != nil {
			return fmt.Errorf("replacing %s in the cache: %w", d.storePath, err)
		}
	}
	return nil
}

// problems tells what is wrong with what the cache has of each path; empty is nothing. The
// content of a NAR is not looked at, its size is.
func (p *Publisher) problems(ctx context.Context, closure []PathStatus) ([]string, error) {
	var wait sync.WaitGroup
	errs, problems := make([]error, len(closure)), make([]string, len(closure))
	slots := make(chan struct{}, walkers)
	for i, c := range closure {
		problems[i] = c.Problem
		if !c.Found || c.Problem != "" {
			continue
		}
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			info, err := p.o.Objects.Stat(ctx, c.URL)
			switch {
			case errors.Is(err, providers.ErrNotFound):
				problems[i] = "its NAR is gone"
			case err != nil:
				errs[i] = err
			case c.DownloadSize > 0 && info.Size >= 0 && info.Size != c.DownloadSize:
				problems[i] = fmt.Sprintf("its NAR has %d bytes and should have %d", info.Size, c.DownloadSize)
			}
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return problems, nil
}
