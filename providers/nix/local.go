package nix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/nix-community/go-nix/pkg/narinfo/signature"

	"deployer/providers"
)

// local is what this machine's own Nix has of a path and of all that it needs.
type local struct {
	// order has references before referrers, the path itself last.
	order   []string
	records map[string]*record
	extras  map[string]extra
}

// extra is what a narinfo says of a path beyond what is needed to pull it: who else signed
// it, and how a content-addressed one proves its name.
type extra struct {
	signatures []signature.Signature
	ca         string
}

// local asks this machine's own Nix. It comes before everything else: what the cache has
// under the hash of a path that is not valid here is somebody else's, however bad it looks
// next to a mistyped name.
func (p *Publisher) local(ctx context.Context, cache *Cache, root string) (*local, error) {
	invalid, err := p.ask(ctx, "nix-store", "--check-validity", "--print-invalid", root)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(invalid) != "" {
		return nil, p.invalid(ctx, cache, root)
	}
	closure, err := p.ask(ctx, "nix-store", "--query", "--requisites", root)
	if err != nil {
		return nil, err
	}
	l := &local{records: map[string]*record{}}
	for part := range slices.Chunk(strings.Fields(closure), batch) {
		dump, err := p.ask(ctx, "nix-store", append([]string{"--dump-db"}, part...)...)
		if err != nil {
			return nil, err
		}
		if err := parseDump(dump, l.records); err != nil {
			return nil, unclear(err.Error())
		}
	}
	if l.order, err = inOrder(root, l.records); err != nil {
		return nil, err
	}
	l.extras = p.extras(ctx, root)
	return l, nil
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

// inOrder is the closure of root with references before referrers. A path may refer to
// itself; no path refers to one that refers to it.
func inOrder(root string, records map[string]*record) ([]string, error) {
	var order []string
	seen := map[string]bool{}
	var visit func(storePath string) error
	visit = func(storePath string) error {
		if seen[storePath] {
			return nil
		}
		seen[storePath] = true
		r := records[storePath]
		if r == nil {
			return unclear("it says nothing of " + storePath)
		}
		if err := checkPath(storePath); err != nil {
			return unclear(err.Error())
		}
		for _, ref := range r.refs {
			if err := visit(ref); err != nil {
				return err
			}
		}
		order = append(order, storePath)
		return nil
	}
	return order, visit(root)
}

// ask asks this machine's own Nix, as its user would.
func (p *Publisher) ask(ctx context.Context, tool string, args ...string) (stdout string, err error) {
	result, err := p.o.Runner.Run(ctx, Command{Name: tool, Args: args, Env: p.o.Environ, Timeout: time.Minute})
	switch {
	case errors.Is(err, ErrNoNix):
		return "", &providers.Fault{Reason: NixUnavailable, Message: "nix is not installed on this machine, or not in PATH", Err: err}
	case err != nil:
		return "", explainQuery(result, err)
	}
	return result.Stdout, nil
}

// extras are of use and not needed, so a Nix that does not tell them, or in a form that
// is newer than we are, is no reason to fail.
func (p *Publisher) extras(ctx context.Context, root string) map[string]extra {
	out, err := p.ask(ctx, "nix", "--extra-experimental-features", "nix-command", "path-info", "--json", "--recursive", root)
	if err == nil {
		var extras map[string]extra
		if extras, err = parsePathInfo([]byte(out)); err == nil {
			return extras
		}
	}
	logr.FromContextOrDiscard(ctx).V(1).Info("nix does not tell signatures and content addresses", "path", root, "error", err.Error())
	return nil
}

// parsePathInfo reads `nix path-info --json`: a list up to Nix 2.18, later an object by
// path.
func parsePathInfo(data []byte) (map[string]extra, error) {
	type info struct {
		Path       string          `json:"path"`
		CA         json.RawMessage `json:"ca"`
		Signatures []string        `json:"signatures"`
	}
	var list []info
	if err := json.Unmarshal(data, &list); err != nil {
		byPath := map[string]info{}
		if err := json.Unmarshal(data, &byPath); err != nil {
			return nil, fmt.Errorf("reading what nix path-info says: %w", err)
		}
		for path, i := range byPath {
			i.Path = storeDir + filepath.Base(path)
			list = append(list, i)
		}
	}
	out := make(map[string]extra, len(list))
	for _, i := range list {
		var e extra
		// Anything but a text is a form that is newer than we are.
		_ = json.Unmarshal(i.CA, &e.ca)
		for _, text := range i.Signatures {
			if sig, err := signature.ParseSignature(text); err == nil {
				e.signatures = append(e.signatures, sig)
			}
		}
		out[i.Path] = e
	}
	return out, nil
}
