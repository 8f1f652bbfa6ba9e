package manifest

import (
	"context"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// RollbackOptions say what to go back to.
type RollbackOptions struct {
	// To is any name of a version; empty is the one before, and with Service that service's
	// release before.
	To string
	// Service: only its release comes back.
	Service string
	// By is who does it.
	By string
	// Bad names the hosts that judged a release bad while they obeyed that lineage: it is no
	// good to go back to. Nil: none is known.
	Bad func(lineage string, r v1.Release) (hosts []string)
}

// Rollback is a way back.
type Rollback struct {
	// To is the version from which services or the release come.
	To *Version
	// Skipped are the releases that were passed over on the way there, newest first.
	Skipped []Skipped
	// Message is for when nobody gives another.
	Message string
	// Edit goes the way. It was decided on what was in force then: where nobody said what to
	// go back to, and somebody else wrote meanwhile, it is a Fault, and nothing is lost.
	Edit func(*v1.Manifest) error
}

// Skipped is a release that nobody goes back to without naming it.
type Skipped struct {
	// Version is the newest one that had it.
	Version  Version
	Revision string
	// Hosts that judged it bad.
	Hosts []string
}

// Rollback looks for the way back. It writes nothing: give Edit to Repository.Edit.
func (r *Repository) Rollback(ctx context.Context, o RollbackOptions) (*Rollback, error) {
	switch {
	case o.Service == "" && o.To == "":
		return r.undo(ctx, o)
	case o.Service == "":
		to, err := r.Version(ctx, o.To)
		if err != nil {
			return nil, err
		}
		return restoring(to, o), nil
	}
	return r.rollbackService(ctx, o)
}

func restoring(to *Version, o RollbackOptions) *Rollback {
	return &Rollback{
		To: to, Message: "rollback to " + to.Title(),
		Edit: func(m *v1.Manifest) error { return Restore(m, to.Manifest, o.By) },
	}
}

// undo goes back to the version before. Two people who do so at once mean the same one: the
// second has nothing left to do, and must not bring the bad version back.
func (r *Repository) undo(ctx context.Context, o RollbackOptions) (*Rollback, error) {
	now, err := r.orLost(ctx)
	if err != nil {
		return nil, err
	}
	to, err := r.previous(ctx)
	if err != nil {
		return nil, err
	}
	way := restoring(to, o)
	if now == nil {
		return way, nil
	}
	way.Edit = func(m *v1.Manifest) error {
		seen := m.Clone()
		if err := Restore(m, to.Manifest, o.By); err != nil {
			return err
		}
		if sameServices(seen, now) || sameServices(seen, m) {
			return nil
		}
		return overtaken(fmt.Sprintf("somebody else wrote after generation %d, which was to be undone", now.Generation), "deploy-manifest history")
	}
	return way, nil
}

// sameServices leaves out what a write adds, the record of who removed what among it.
func sameServices(a, b *v1.Manifest) bool { return len(v1.Diff(a, b)) == 0 }

func overtaken(what, look string) error {
	return &providers.Fault{
		Reason:  "Overtaken",
		Message: what + ", so nothing was written; look at `" + look + "`, and say what to go back to",
	}
}
