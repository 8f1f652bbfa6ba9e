package nix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nix-community/go-nix/pkg/narinfo/signature"

	"deployer/providers"
)

// PublisherOptions are what a Publisher works with.
type PublisherOptions struct {
	// Objects is the store that holds the binary cache.
	Objects providers.Objects
	// KeyFile holds the secret key, name:base64, as Nix writes it, too.
	KeyFile string
	// Conditional tells whether the store honours conditional writes. It is asked before each
	// of them, so it has to remember its answer. Nil means that it does.
	Conditional func(ctx context.Context) (bool, error)
	// Environ is the environment that Nix gets when it is asked. Default os.Environ().
	Environ []string
	// Runner runs Nix. Default ExecRunner: here it is the user's own Nix.
	Runner Runner
	// DiskRoot is put before store paths where files are read. Tests set it.
	DiskRoot string
}

// Publisher signs and uploads without Nix's help, which copies one path after the other:
// Nix is only asked what there is. So nobody needs to be a trusted user of the local Nix,
// and it need not know the store's kind.
type Publisher struct {
	o       PublisherOptions
	key     signature.SecretKey
	public  string
	name    string
	trusted []signature.PublicKey
}

var _ providers.Publisher = (*Publisher)(nil)

// Reasons of the faults of publishing.
const (
	// PathInvalid: the local store does not have the path.
	PathInvalid = "PathInvalid"
	// PathDamaged: the local store has it, and its files are gone or changed.
	PathDamaged = "PathDamaged"
	// CacheConflict: the cache has other content under that path, signed by somebody else.
	CacheConflict = "CacheConflict"
	// KeyUnreadable: there is no usable key in the file.
	KeyUnreadable = "KeyUnreadable"
)

// NewPublisher reads the key and runs nothing.
func NewPublisher(o PublisherOptions) (*Publisher, error) {
	if o.Runner == nil {
		o.Runner = ExecRunner{}
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.Conditional == nil {
		o.Conditional = func(context.Context) (bool, error) { return true, nil }
	}
	p := &Publisher{o: o}
	if err := p.readKey(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Publisher) readKey() error {
	file, err := filepath.Abs(p.o.KeyFile)
	if err != nil {
		return fmt.Errorf("reading the signing key: %w", err)
	}
	secret, err := os.ReadFile(file)
	if err != nil {
		return &providers.Fault{
			Reason: KeyUnreadable, Err: err,
			Message: fmt.Sprintf("the signing key %s cannot be read; name another with --key, or make one with `deploy-manifest keygen`", file),
		}
	}
	if p.key, err = parseSecretKey(string(secret)); err != nil {
		return &providers.Fault{Reason: KeyUnreadable, Message: "signing key " + file, Err: err}
	}
	public := p.key.ToPublicKey()
	p.public, p.name, p.trusted = public.String(), public.Name, []signature.PublicKey{public}
	return nil
}

// PublicKey is what hosts must trust, name:base64.
func (p *Publisher) PublicKey() string { return p.public }

func (p *Publisher) cache() (*Cache, error) {
	cache, err := NewCache(p.o.Objects, []string{p.public})
	if err == nil {
		cache.atOnce = atOnce
	}
	return cache, err
}

// Plan looks at this machine and at the cache.
func (p *Publisher) Plan(ctx context.Context, storePath string) (providers.PublishPlan, error) {
	if err := checkPath(storePath); err != nil {
		return providers.PublishPlan{}, fmt.Errorf("publishing: %w", err)
	}
	cache, err := p.cache()
	if err != nil {
		return providers.PublishPlan{}, err
	}
	s, err := p.survey(ctx, cache, storePath)
	if err != nil {
		return providers.PublishPlan{}, err
	}
	plan := providers.PublishPlan{NarHash: s.records[storePath].narHash, Paths: len(s.order), Sign: s.unsigned}
	for _, r := range s.records {
		plan.Size += r.narSize
	}
	for _, up := range s.upload {
		plan.Upload = append(plan.Upload, providers.PublishPath{
			StorePath: up.storePath, Size: s.records[up.storePath].narSize, Problem: up.problem,
		})
	}
	return plan, nil
}

// Publish signs, uploads and verifies. Nothing is written, and no progress is told, before
// it is known that the local store has the path and that nothing of another path is in its
// way. Nothing is ever taken out of the cache: a damaged entry is replaced by one write.
func (p *Publisher) Publish(ctx context.Context, r providers.PublishRequest) (providers.Published, error) {
	if err := checkPath(r.StorePath); err != nil {
		return providers.Published{}, fmt.Errorf("publishing: %w", err)
	}
	if r.Progress == nil {
		r.Progress = func(string) {}
	}
	cache, err := p.cache()
	if err != nil {
		return providers.Published{}, err
	}
	s, err := p.survey(ctx, cache, r.StorePath)
	if err != nil {
		return providers.Published{}, err
	}
	tell := newTeller(s, r.Watch)
	if len(s.upload) > 0 {
		announce(s, r.Progress)
		if err := p.upload(ctx, s, tell); err != nil {
			return providers.Published{}, fmt.Errorf("uploading: %w", err)
		}
	}
	r.Progress(fmt.Sprintf("reading back what the cache says of %d paths", len(s.order)))
	closure, err := p.verify(ctx, cache, s, r.StorePath)
	if err != nil {
		return providers.Published{}, fmt.Errorf("verifying what the cache has: %w", err)
	}
	done := providers.Published{NarHash: closure[0].NarHash, Paths: len(closure), Uploaded: tell.total(), SignedBy: p.name}
	for _, c := range closure {
		done.Size += c.NarSize
	}
	return done, nil
}

func announce(s *survey, progress func(string)) {
	progress(fmt.Sprintf("uploading %d of %d paths", len(s.upload), len(s.order)))
	for _, up := range s.upload {
		if up.problem != "" {
			progress("replacing " + up.storePath + " in the cache: " + strings.TrimSpace(up.problem))
		}
	}
}

// verify reads the whole closure back: each narinfo, our signature on it, and that its NAR
// is there if that was not seen before. What somebody else put there gets our signature now
// if it is the same as ours.
func (p *Publisher) verify(ctx context.Context, cache *Cache, s *survey, root string) ([]PathStatus, error) {
	closure, err := cache.walk(ctx, root, func(string) bool { return false }, s.order...)
	if err != nil {
		return nil, err
	}
	var unsigned []string
	for _, c := range closure {
		if c.Found && c.Problem == "" && len(c.TrustedBy) == 0 {
			unsigned = append(unsigned, c.StorePath)
		}
	}
	if len(unsigned) > 0 {
		if err := p.countersign(ctx, s.local, unsigned); err != nil {
			return nil, err
		}
		if closure, err = cache.walk(ctx, root, func(string) bool { return false }, s.order...); err != nil {
			return nil, err
		}
	}
	if err := explainCache(root, closure, []string{p.name}); err != nil {
		return nil, err
	}
	problems, err := p.problems(ctx, closure, s.sound)
	if err != nil {
		return nil, err
	}
	for i, c := range closure {
		if problems[i] != "" {
			return nil, &providers.Fault{Reason: NarCorrupt, Message: "what the cache has of " + c.StorePath + ": " + problems[i]}
		}
	}
	return closure, nil
}
