package service

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/reconcile"
)

// keepGood is how many good releases of a service stay on the host, root and directory,
// so that a rollback needs no download.
const keepGood = 3

// stepPrune deletes what no slot points to and nobody would go back to, and what a daemon
// that died left half written or half deleted. It comes last, and never in a pass in which
// an observation failed.
type stepPrune struct{}

func (stepPrune) Name() string      { return "prune" }
func (stepPrune) Condition() string { return "Pruned" }

func (stepPrune) Done(s *Scope) bool {
	switch {
	case s.uncertain() != nil:
		return true
	case len(s.Facts.Releases.Unfinished) > 0:
		return false
	}
	return len(s.Facts.Releases.Staged) <= 1 || len(surplus(s)) == 0
}

func (stepPrune) lenient(s *Scope) (v1.ConditionStatus, error) {
	if err := s.uncertain(); err != nil {
		return v1.Unknown, err
	}
	return v1.True, nil
}

func (stepPrune) Why(s *Scope) string {
	if going := surplus(s); len(going) > 0 {
		return "older releases are no longer needed: " + strings.Join(going, ", ")
	}
	return "an earlier daemon died while it wrote or deleted: " + strings.Join(s.Facts.Releases.Unfinished, ", ")
}

// Run removes the roots first: the directories say which there are, so a crash in between
// leaves nothing that the next pass does not see. Who goes back to a release without a
// root roots it and looks at its closure again.
func (stepPrune) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	going := surplus(s)
	for _, root := range orphanRoots(s, going) {
		if err := s.host.Closures.Unroot(ctx, root); err != nil {
			return reconcile.Result{}, fmt.Errorf("removing root %s: %w", root, err)
		}
	}
	for _, name := range going {
		if err := s.host.Releases.Discard(ctx, s.Name, name); err != nil {
			return reconcile.Result{}, fmt.Errorf("discarding release %s: %w", name, err)
		}
	}
	if len(s.Facts.Releases.Unfinished) > 0 {
		if err := s.host.Releases.Tidy(ctx, s.Name); err != nil {
			return reconcile.Result{}, fmt.Errorf("deleting what was left unfinished: %w", err)
		}
	}
	return reconcile.Result{}, nil
}

func (stepPrune) Assume(s *Scope) {
	going := surplus(s)
	for _, root := range orphanRoots(s, going) {
		delete(s.Facts.Roots, root)
	}
	for _, name := range going {
		delete(s.Facts.Releases.Staged, name)
	}
	s.Facts.Releases.Unfinished = nil
}

// surplus names the instances that may go: not the target, nothing that a slot points to
// or runs, not what the manifest wants and is bad, and not among the newest good ones.
func surplus(s *Scope) []string {
	stays := map[string]bool{s.instance(): true}
	if s.Condemned != nil {
		stays[s.Condemned.Instance] = true // so that it is not tried again
	}
	for _, name := range s.Facts.Releases.Pointers {
		stays[name] = true
	}
	for _, slot := range slots() {
		stays[s.unit(slot).Instance] = true
	}
	for _, r := range newestGood(s) {
		stays[r.Instance.String()] = true
	}
	var out []string
	for name := range s.Facts.Releases.Staged {
		if !stays[name] {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

func newestGood(s *Scope) []providers.StagedRelease {
	var good []providers.StagedRelease
	for name, r := range s.Facts.Releases.Staged {
		if s.soaked(name) {
			good = append(good, r)
		}
	}
	slices.SortFunc(good, func(a, b providers.StagedRelease) int { return b.Verdict.At.Compare(a.Verdict.At) })
	return good[:min(len(good), keepGood)]
}

// orphanRoots are the roots of going instances whose revision no staying one shares.
func orphanRoots(s *Scope, going []string) []string {
	stays := maps.Clone(s.Facts.Releases.Staged)
	orphans := map[string]bool{}
	for _, name := range going {
		orphans[v1.RootName(s.Name, stays[name].Instance.Revision)] = true
		delete(stays, name)
	}
	for _, r := range stays {
		delete(orphans, v1.RootName(s.Name, r.Instance.Revision))
	}
	return slices.Sorted(maps.Keys(orphans))
}
