package service

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "deployer/api/v1"
	"deployer/reconcile"
)

// stepRoot roots the closure before it is pulled: a collector may run in between, and a
// dangling root is kept. The good releases that stay on the host keep theirs, too: going
// back to one needs no download.
type stepRoot struct{}

func (stepRoot) Name() string      { return "root" }
func (stepRoot) Condition() string { return "Rooted" }

func (stepRoot) Done(s *Scope) bool { return len(s.missingRoots()) == 0 }

func (stepRoot) Why(s *Scope) string {
	return "the closure has no GC root " + s.missingRoots()[0].name
}

func (stepRoot) Run(ctx context.Context, s *Scope) (reconcile.Result, error) {
	for _, root := range s.missingRoots() {
		if err := s.host.Closures.Root(ctx, root.name, root.path); err != nil {
			return reconcile.Result{}, fmt.Errorf("rooting %s: %w", root.path, err)
		}
	}
	return reconcile.Result{}, nil
}

func (stepRoot) Assume(s *Scope) {
	for _, root := range s.missingRoots() {
		s.Facts.Roots[root.name] = root.path
	}
}

// gcRoot is a root and the store path that it should keep.
type gcRoot struct{ name, path string }

// wantedRoots are those of the target, which comes first, of the last good one, of what
// runs, and of the good releases that are kept.
func (s *Scope) wantedRoots() []gcRoot {
	wanted := make([]gcRoot, 0, 2)
	add := func(root gcRoot) {
		if !slices.ContainsFunc(wanted, func(r gcRoot) bool { return r.name == root.name }) {
			wanted = append(wanted, root)
		}
	}
	for _, t := range [...]*Target{s.Target, s.Keep} {
		if t != nil {
			add(gcRoot{t.root, t.Release.StorePath})
		}
	}
	for _, slot := range slots() {
		if r, ok := s.Facts.Releases.Staged[s.unit(slot).Instance]; ok && s.Target != nil {
			add(gcRoot{v1.RootName(s.Name, r.Instance.Revision), r.Release.StorePath})
		}
	}
	if s.Target == nil || len(s.Facts.Releases.Staged) < 2 {
		return wanted
	}
	for _, r := range newestGood(s) {
		add(gcRoot{v1.RootName(s.Name, r.Instance.Revision), r.Release.StorePath})
	}
	first := min(len(wanted), 1)
	slices.SortFunc(wanted[first:], func(a, b gcRoot) int { return strings.Compare(a.name, b.name) })
	return wanted
}

// missingRoots are the wanted ones that are not there, or that keep something else.
func (s *Scope) missingRoots() []gcRoot {
	return slices.DeleteFunc(s.wantedRoots(), func(r gcRoot) bool { return s.Facts.Roots[r.name] == r.path })
}
