package nix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/go-logr/logr"

	"deployer/providers"
)

// Pull makes the closure valid and present. First it reads the cache's narinfos by itself,
// which takes a moment and gives exact reasons; then Nix fetches, checks and registers.
// Failures are *providers.Fault, and never the release's own.
//
// Nix registers each path when it is whole, so a pull that was killed goes on where it
// was. What is valid and no longer on disk is fetched again: Nix believes its database
// and would do nothing by itself.
func (m *Manager) Pull(ctx context.Context, storePath string) error {
	if err := checkPath(storePath); err != nil {
		return fmt.Errorf("pulling: %w", err)
	}
	err := m.inTurn(ctx, storePath, func(ctx context.Context) error { return m.pull(ctx, storePath) })
	if err != nil {
		// A pull that is cut off may have repaired something all the same.
		m.facts.forget()
	}
	return err
}

// inTurn runs one of few downloads at once, for a limited time.
func (m *Manager) inTurn(ctx context.Context, storePath string, download func(context.Context) error) error {
	select {
	case m.pulls <- struct{}{}:
		defer func() { <-m.pulls }()
	case <-ctx.Done():
		return ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, m.o.PullTimeout)
	defer cancel()
	err := download(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return &providers.Fault{
			Reason:  PullTimeout,
			Message: fmt.Sprintf("pulling %s took longer than %s; the next try goes on where it was", storePath, m.o.PullTimeout),
			Err:     unknown(err),
		}
	}
	return err
}

// rounds bounds how often a pull starts over because a collector took what it had just
// fetched. One is rare, and needs a collection that began during the fetch.
const rounds = 5

func (m *Manager) pull(ctx context.Context, storePath string) error {
	for range rounds {
		missing, valid, err := m.facts.inspect(ctx, storePath)
		if err != nil {
			return err
		}
		switch {
		case !valid:
			err = m.fetch(ctx, storePath)
		case len(missing) > 0:
			err = m.repair(ctx, missing)
		case !m.collecting():
			return nil
		default:
			var sent int64
			if sent, err = m.throughGateway(ctx, storePath, "--realise", storePath); err == nil && sent == 0 {
				// It was valid when the collector was told.
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
	return &providers.Fault{
		Reason:  ClosureDamaged,
		Message: fmt.Sprintf("nix fetched %s %d times and it is still not whole; run nix-store --verify --check-contents --repair on the host", storePath, rounds),
	}
}

// fetch gets a path that is not valid, with all that it needs.
func (m *Manager) fetch(ctx context.Context, storePath string) error {
	closure, err := m.preflight(ctx, storePath)
	if err != nil {
		return err
	}
	if err := m.room(ctx, storePath, closure); err != nil {
		return err
	}
	_, err = m.throughGateway(ctx, storePath, "--realise", storePath)
	if providers.ReasonOf(err) == DiskFull {
		return m.gotFull(ctx, storePath, closure, err)
	}
	return err
}

// preflight walks the cache over what is not here, and says what Nix would stumble over.
func (m *Manager) preflight(ctx context.Context, storePath string) ([]PathStatus, error) {
	walked, err := m.cache.walk(ctx, storePath, m.facts.known)
	if err != nil {
		return nil, m.storeFault(storePath, err)
	}
	var doubtful []string
	for _, p := range walked {
		if !p.Trusted() && m.exists(p.StorePath) {
			doubtful = append(doubtful, p.StorePath)
		}
	}
	// What this host has already needs no cache: a path of its system, say.
	here := map[string]bool{}
	if len(doubtful) > 0 {
		if here, err = m.valid(ctx, doubtful); err != nil {
			return nil, err
		}
	}
	wanted := slices.DeleteFunc(walked, func(p PathStatus) bool { return here[p.StorePath] })
	logr.FromContextOrDiscard(ctx).V(1).Info("closure walked", "path", storePath, "paths", len(wanted))
	return wanted, explainCache(storePath, wanted, m.keyNames())
}

func (m *Manager) keyNames() []string {
	names := make([]string, 0, len(m.cache.keys))
	for _, k := range m.cache.keys {
		names = append(names, k.Name)
	}
	return names
}

// throughGateway runs nix-store with a gateway of its own as the only substituter, and
// tells how many bytes it fetched.
func (m *Manager) throughGateway(ctx context.Context, storePath string, args ...string) (sent int64, err error) {
	gateway, err := StartGateway(ctx, GatewayOptions{Objects: m.o.Objects})
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = gateway.Close()
		m.count(gateway.Stats())
	}()
	result, err := m.run(ctx, m.o.Runner, Command{Name: "nix-store", Args: args, Timeout: m.o.PullTimeout}, m.settings(gateway.URL()))
	if err == nil && !strings.Contains(result.Stderr, "not a trusted user") {
		return gateway.Stats().Sent, nil
	}
	return 0, m.explainPull(storePath, result, gateway.Err(), err)
}

// settings are for Nix 2.8 to now; a Nix that does not know one of them warns and goes on.
// Signatures hang on three of them: require-sigs, our keys, and a substituter URL without
// parameters. With max-jobs 0 nothing is ever built here.
func (m *Manager) settings(substituter string) string {
	keys := make([]string, 0, len(m.cache.keys))
	for _, k := range m.cache.keys {
		keys = append(keys, k.String())
	}
	return strings.Join([]string{
		"substituters = " + substituter,
		"trusted-public-keys = " + strings.Join(keys, " "),
		"require-sigs = true",
		"substitute = true",
		"fallback = false",
		"max-jobs = 0",
		"builders =",
		"max-substitution-jobs = 16",
		"http-connections = 32",
		"connect-timeout = 5",
		"stalled-download-timeout = 60",
		"download-attempts = 3",
		"narinfo-cache-negative-ttl = 0",
		"narinfo-cache-positive-ttl = 0",
		"",
	}, "\n")
}

// explainPull prefers the store's own reason to Nix's words, which know an HTTP status only.
func (m *Manager) explainPull(storePath string, result Result, store, err error) error {
	subject := "pulling " + storePath
	switch {
	case errors.Is(err, ErrNoNix):
		return &providers.Fault{Reason: NixUnavailable, Message: "nix is not installed on this host, or not in its usual places", Err: err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", subject, err)
	case store != nil:
		return m.storeFault(storePath, store)
	}
	if fault := explainText(subject, result.Stderr, err); fault != nil {
		return fault
	}
	return &providers.Fault{Reason: PullFailed, Message: subject + ": nix failed", Err: detail(result.Stderr, err)}
}

// storeFault is a store that gave no answer: with its own reason when it has one.
func (m *Manager) storeFault(storePath string, err error) error {
	reason := providers.ReasonOf(err)
	if reason == "" || reason == "Error" || reason == "Unavailable" {
		reason = "StoreUnreachable"
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &providers.Fault{
		Reason:  reason,
		Message: "pulling " + storePath + ": the store gives no answer",
		Err:     err,
	}
}
