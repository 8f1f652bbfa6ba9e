package nix

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"deployer/providers"
)

// PublisherOptions are what a Publisher works with.
type PublisherOptions struct {
	// Objects is the store that holds the binary cache.
	Objects providers.Objects
	// KeyFile holds the secret key, name:base64. Nix reads it, too.
	KeyFile string
	// Environ is the environment that Nix gets, without its proxies: they would send what
	// is meant for loopback elsewhere. Default os.Environ().
	Environ []string
	// Runner runs Nix. Default ExecRunner: here it is the user's own Nix.
	Runner Runner
	// Timeout of one upload. Default 1 h.
	Timeout time.Duration
}

// Publisher uploads with `nix copy` through a Gateway, which signs each narinfo on its way
// (secret-key=), so that nobody needs to be a trusted user of the local Nix.
type Publisher struct {
	o      PublisherOptions
	public string
	name   string
}

var _ providers.Publisher = (*Publisher)(nil)

// Reasons of the faults of publishing.
const (
	// PathInvalid: the local store does not have the path.
	PathInvalid = "PathInvalid"
	// CacheConflict: the cache has other content under that path, signed by somebody else.
	CacheConflict = "CacheConflict"
	// PublishFailed: Nix failed in a way that this package does not know.
	PublishFailed = "PublishFailed"
)

// NewPublisher reads the key and runs nothing.
func NewPublisher(o PublisherOptions) (*Publisher, error) {
	if o.Runner == nil {
		o.Runner = ExecRunner{}
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Hour
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	file, err := filepath.Abs(o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the signing key: %w", err)
	}
	o.KeyFile = file
	secret, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the signing key: %w; `deploy-manifest keygen` makes one", err)
	}
	public, err := PublicKey(string(secret))
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", file, err)
	}
	name, _, _ := strings.Cut(public, ":")
	return &Publisher{o: o, public: public, name: name}, nil
}

// PublicKey is what hosts must trust, name:base64.
func (p *Publisher) PublicKey() string { return p.public }

// Publish signs, uploads and verifies. A narinfo is never in the cache before its NAR.
// Nothing is written, and no progress is told, before it is known that the local store has
// the path and that nothing of another path is in its way.
func (p *Publisher) Publish(ctx context.Context, r providers.PublishRequest) (providers.Published, error) {
	if err := checkPath(r.StorePath); err != nil {
		return providers.Published{}, fmt.Errorf("publishing: %w", err)
	}
	if r.Progress == nil {
		r.Progress = func(string) {}
	}
	cache, err := NewCache(p.o.Objects, []string{p.public})
	if err != nil {
		return providers.Published{}, err
	}
	paths, err := p.requisites(ctx, cache, r.StorePath)
	if err != nil {
		return providers.Published{}, err
	}
	damaged, err := p.damaged(ctx, cache, paths)
	if err != nil {
		return providers.Published{}, err
	}
	r.Progress("signing and uploading " + r.StorePath)
	info := strings.NewReader(cacheInfo)
	_, err = p.o.Objects.Put(ctx, cacheInfoKey, info, providers.PutOptions{IfAbsent: true, ContentType: contentType(cacheInfoKey)})
	if err != nil && !errors.Is(err, providers.ErrConflict) {
		return providers.Published{}, fmt.Errorf("publishing %s: %w", r.StorePath, err)
	}
	if err := p.mend(ctx, damaged, r.Progress); err != nil {
		return providers.Published{}, err
	}
	stats, err := p.copy(ctx, r)
	if err != nil {
		return providers.Published{}, err
	}
	r.Progress("verifying what the cache has")
	closure, err := p.verify(ctx, cache, r.StorePath)
	if err != nil {
		return providers.Published{}, err
	}
	done := providers.Published{NarHash: closure[0].NarHash, Paths: len(closure), Uploaded: stats.Received, SignedBy: p.name}
	for _, c := range closure {
		done.Size += c.NarSize
	}
	return done, nil
}

// copy runs `nix copy` into a gateway. The gateway's address and token stand in the
// environment, as the default store, because command lines are everybody's to read.
func (p *Publisher) copy(ctx context.Context, r providers.PublishRequest) (GatewayStats, error) {
	gateway, err := StartGateway(ctx, GatewayOptions{Objects: p.o.Objects, Writable: true})
	if err != nil {
		return GatewayStats{}, err
	}
	defer gateway.Close()
	home, err := os.MkdirTemp("", "deployer-push-")
	if err != nil {
		return GatewayStats{}, fmt.Errorf("publishing %s: %w", r.StorePath, err)
	}
	defer os.RemoveAll(home)
	source, environ := p.environ(gateway, home)
	result, err := p.o.Runner.Run(ctx, Command{
		Name:    "nix",
		Args:    []string{"--extra-experimental-features", "nix-command", "copy", "--from", source, r.StorePath},
		Env:     environ,
		Timeout: p.o.Timeout,
		OnLine: func(line string) {
			if strings.HasPrefix(line, "copying") {
				// Nix names the gateway, and so its token, in these lines.
				line, _, _ = strings.Cut(line, " to '")
				r.Progress(strings.TrimSuffix(line, "..."))
			}
		},
	})
	if err != nil {
		return gateway.Stats(), p.explain(r.StorePath, result, gateway, err)
	}
	return gateway.Stats(), nil
}

// environ is the user's, with the gateway as Nix's default store, and with a cache of its
// own: what Nix remembers of a gateway is of no use to anybody later.
func (p *Publisher) environ(gateway *Gateway, home string) (source string, environ []string) {
	source = "auto"
	for _, e := range p.o.Environ {
		name, value, _ := strings.Cut(e, "=")
		switch strings.ToLower(name) {
		case "http_proxy", "https_proxy", "all_proxy", "no_proxy", "xdg_cache_home":
			continue
		case "nix_remote":
			if value != "" {
				source = value
			}
			continue
		}
		environ = append(environ, e)
	}
	target := gateway.URL() + "?compression=zstd&secret-key=" + url.QueryEscape(p.o.KeyFile)
	return source, append(environ, "NIX_REMOTE="+target, "XDG_CACHE_HOME="+home)
}

// verify reads the whole closure back: each narinfo, our signature on it, and that its NAR
// is there. A path that was in the cache before gets our signature now if it is the same
// as ours.
func (p *Publisher) verify(ctx context.Context, cache *Cache, root string) ([]PathStatus, error) {
	closure, err := cache.Closure(ctx, root)
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
		if err := p.countersign(ctx, unsigned); err != nil {
			return nil, err
		}
		if closure, err = cache.Closure(ctx, root); err != nil {
			return nil, err
		}
	}
	if err := explainCache(root, closure, []string{p.name}); err != nil {
		return nil, fmt.Errorf("verifying what the cache has: %w", err)
	}
	problems, err := p.problems(ctx, closure)
	if err != nil {
		return nil, fmt.Errorf("verifying what the cache has: %w", err)
	}
	for i, c := range closure {
		if problems[i] != "" {
			return nil, &providers.Fault{Reason: NarCorrupt, Message: "verifying what the cache has of " + c.StorePath + ": " + problems[i]}
		}
	}
	return closure, nil
}

func (p *Publisher) explain(storePath string, result Result, gateway *Gateway, err error) error {
	subject := "publishing " + storePath
	switch {
	case errors.Is(err, ErrNoNix):
		return noNix(err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", subject, err)
	case gateway.Err() != nil:
		return fmt.Errorf("%s: %w", subject, gateway.Err())
	case strings.Contains(result.Stderr, "is not valid"), strings.Contains(result.Stderr, "no substituter that can build it"):
		return &providers.Fault{Reason: PathInvalid, Message: storePath + " is not in this machine's nix store: build it first", Err: detail(result.Stderr, err)}
	}
	return &providers.Fault{Reason: PublishFailed, Message: subject + ": nix failed", Err: detail(result.Stderr, err)}
}
