package service

import (
	"context"

	"deployer/providers"
	"deployer/reconcile"
)

// stepPull brings the closure onto the host, with required signatures.
type stepPull struct{}

func (stepPull) Name() string      { return "pull" }
func (stepPull) Condition() string { return "Pulled" }

func (stepPull) Done(s *Scope) bool {
	c := s.Facts.Closures[s.Target.Release.StorePath]
	return c.Valid && c.OnDisk
}

func (stepPull) Why(s *Scope) string {
	switch c := s.Facts.Closures[s.Target.Release.StorePath]; {
	case c.Valid:
		return "the closure is valid in Nix's database but missing on disk"
	case c.OnDisk:
		return "the closure is on disk but not valid in Nix's database"
	}
	return "the closure is not on this host"
}

// Run pulls, and then holds the path against the hash that the manifest may demand.
func (stepPull) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	r := s.Target.Release
	if err := s.host.Closures.Pull(ctx, r.StorePath); err != nil {
		return reconcile.Result{}, err
	}
	if r.NarHash == "" {
		return reconcile.Result{}, nil
	}
	seen, err := s.host.Closures.Observe(ctx, r.StorePath)
	if err != nil {
		return reconcile.Result{}, err
	}
	if got := seen[r.StorePath].NarHash; got != r.NarHash {
		return reconcile.Result{}, reconcile.Terminal(narHashFault(r.StorePath, r.NarHash, got))
	}
	return reconcile.Result{}, nil
}

func (stepPull) Assume(s *Scope) {
	s.Facts.Closures[s.Target.Release.StorePath] = providers.ClosureFacts{
		Valid: true, OnDisk: true, NarHash: s.Target.Release.NarHash,
	}
}

func narHashFault(path, want, got string) error {
	return &providers.Fault{
		Reason:  "NarHashMismatch",
		Message: path + " has the NAR hash " + got + ", but artifact.narHash demands " + want + "; correct the manifest",
	}
}
