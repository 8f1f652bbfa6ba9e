package sweep

import (
	"context"
	"slices"
	"strings"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// thing is something of ours that nobody wants.
type thing struct {
	// kind and name are for people, and together for us: "root" and "web-1abc…".
	kind, name string
	// why nobody wants it, as half a sentence.
	why    string
	remove func(ctx context.Context) error
}

func (t thing) key() string { return t.kind + " " + t.name }

// String is what people call it.
func (t thing) String() string { return t.key() }

// unwanted lists what of a name may go, in the order in which it should: what sends
// requests or could run before what that needs. It is a pure function of the facts.
func unwanted(f *facts) []thing {
	switch f.assignment.Kind {
	case v1.Assigned:
		return f.ofAssigned()
	case v1.Dismissed:
		return f.ofDismissed()
	case v1.Absent:
	}
	return f.ofAbsent()
}

// ofAssigned is what the passes of a service do not see: roots of revisions that were
// wanted once and never staged, and what crashes left. All else is theirs.
func (f *facts) ofAssigned() []thing {
	var out []thing
	for _, root := range f.roots {
		if _, revision, _ := v1.ParseRootName(root); !f.needs(revision) {
			out = append(out, f.root(root, "no release of "+f.name+" that is wanted, kept or running needs it"))
		}
	}
	for _, l := range f.leftovers {
		if l.Instance == "" || !f.names(l.Instance) {
			out = append(out, l.thing())
		}
	}
	return out
}

// needs reports whether a release of that revision is wanted, kept, or may be running.
func (f *facts) needs(revision string) bool {
	if revision == f.assignment.Revision {
		return true
	}
	for name, staged := range f.releases.Staged {
		if staged.Instance.Revision == revision || isOf(name, revision) {
			return true
		}
	}
	for _, pointed := range f.releases.Pointers {
		if isOf(pointed, revision) {
			return true
		}
	}
	for _, u := range f.units {
		if isOf(u.Instance, revision) || u.Instance == "" && mayRun(u) {
			return true
		}
	}
	return false
}

// mayRun: a process of the unit may be there, or come back by itself.
func mayRun(u providers.UnitFacts) bool { return u.Active != "inactive" && u.Active != "failed" }

// names reports whether anything counts on a release directory that is not whole: it is
// about to be staged again, or a slot runs it.
func (f *facts) names(instance string) bool {
	if isOf(instance, f.assignment.Revision) {
		return true
	}
	for _, pointed := range f.releases.Pointers {
		if pointed == instance {
			return true
		}
	}
	for _, u := range f.units {
		if u.Instance == instance {
			return true
		}
	}
	return false
}

func isOf(instance, revision string) bool {
	return revision != "" && strings.HasPrefix(instance, revision+"-")
}

// ofDismissed is what the removal plan leaves, because it asks Caddy only about services
// with a release, and sees no directory that is not whole. While it has something to do,
// everything is its own.
func (f *facts) ofDismissed() []thing {
	r := f.releases
	if len(r.Staged)+len(r.Pointers)+len(f.roots)+len(f.slots) > 0 || r.Upstream != "" {
		return nil
	}
	const why = "the manifest takes the service down, and nothing else of it is here"
	var out []thing
	if f.route {
		out = append(out, thing{"route", "biz-deployer/" + f.name, why, func(ctx context.Context) error {
			return f.host.Routes.Remove(ctx, f.name)
		}})
	}
	return append(out, f.rest(why)...)
}

// ofAbsent is about a service that the manifest does not mention. It keeps everything while
// anything of it could serve; what is then left of one that is gone is nobody's.
func (f *facts) ofAbsent() []thing {
	if len(f.releases.Staged)+len(f.releases.Pointers) > 0 || f.route {
		return nil
	}
	if slices.ContainsFunc(f.units, mayRun) {
		return nil
	}
	const why = "the manifest does not mention the service, and nothing of it is here that could run"
	var out []thing
	for _, slot := range f.slots {
		out = append(out, thing{"unit", v1.UnitName(f.name, slot), why, func(ctx context.Context) error {
			return f.host.Units.Remove(ctx, f.name, slot)
		}})
	}
	for _, root := range f.roots {
		out = append(out, f.root(root, why))
	}
	return append(out, f.rest(why)...)
}

func (f *facts) root(name, why string) thing {
	return thing{"root", name, why, func(ctx context.Context) error { return f.host.Closures.Unroot(ctx, name) }}
}

// rest are the files of a service of which nothing else is left.
func (f *facts) rest(why string) []thing {
	var out []thing
	for _, l := range f.leftovers {
		out = append(out, l.thing())
	}
	if f.files {
		out = append(out, thing{"directory and upstream file of", f.name, why, func(ctx context.Context) error {
			return f.host.Releases.Forget(ctx, f.name)
		}})
	}
	return out
}

func (l leftover) thing() thing {
	why := "a crash left it unfinished"
	if l.Instance != "" {
		why = "the release directory is not whole, and no slot runs it"
	}
	return thing{"leftover", l.Path, why, func(ctx context.Context) error { return l.clear(ctx, l.Leftover) }}
}
