package service

import (
	"context"

	"deployer/providers"
	"deployer/reconcile"
)

// stepStage writes the release directory: the whole release, its environment and a copy
// of its secrets, so that a restart years later runs exactly this.
type stepStage struct{}

func (stepStage) Name() string      { return "stage" }
func (stepStage) Condition() string { return "Staged" }

func (stepStage) Done(s *Scope) bool { return s.staged() }

func (stepStage) Why(s *Scope) string {
	return "there is no release directory " + s.instance()
}

// Run refuses to stage a release whose closure is not what the manifest demands: the
// hash is checked here as well, for a path that was on the host before.
func (stepStage) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	r := s.Target.Release
	if got := s.Facts.Closures[r.StorePath].NarHash; r.NarHash != "" && got != r.NarHash {
		return reconcile.Result{}, reconcile.Terminal(narHashFault(r.StorePath, r.NarHash, got))
	}
	return reconcile.Result{}, s.host.Releases.Stage(ctx, providers.StageRequest{
		Instance: s.Target.Instance, Release: *r, Commit: s.Target.Commit, Secrets: s.Facts.Secret,
	})
}

func (stepStage) Assume(s *Scope) {
	s.Facts.Releases.Staged[s.instance()] = providers.StagedRelease{
		Instance: s.Target.Instance, Release: *s.Target.Release, Commit: s.Target.Commit,
	}
}
