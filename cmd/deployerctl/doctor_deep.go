package main

import (
	"context"

	v1 "deployer/api/v1"
	"deployer/controllers/verify"
	"deployer/providers"
)

// deepCheck is whether the content of store paths is looked at, and what follows from it.
type deepCheck struct{ wanted, repair bool }

// lastState is what the daemon says of this host, or what it said last.
func (a *app) lastState(ctx context.Context, d *doctor) v1.HostState {
	if state, err := a.client.Status(ctx); err == nil {
		return state
	}
	state, err := d.States.LoadState(ctx)
	if err != nil {
		return v1.HostState{} // nothing is known to be in force
	}
	return state
}

// content compares the files of the closures in force with what was registered, as fast as
// the disk gives them.
func (d *doctor) content(ctx context.Context, state v1.HostState, deep deepCheck) []finding {
	paths := verify.InForce(state)
	if len(paths) == 0 {
		return []finding{ok("store paths", "no release is in force here")}
	}
	seen, err := d.Closures.Verify(ctx, providers.VerifyRequest{StorePaths: paths})
	var out []finding
	if err != nil {
		out = append(out, bad("store paths", "run it as root, and look at the disk: journalctl -k", "not all could be read: %v", err))
	}
	for _, altered := range seen.Altered {
		out = append(out, d.alteredPath(ctx, altered, deep))
	}
	if len(out) == 0 {
		out = append(out, ok("store paths", "all %d have the content that was registered", seen.Paths))
	}
	return out
}

func (d *doctor) alteredPath(ctx context.Context, altered providers.Altered, deep deepCheck) finding {
	p := altered.StorePath
	if !deep.repair {
		return bad("store paths", "deployerctl doctor --deep --repair", "%s was altered: %s", p, altered.What)
	}
	if err := d.Closures.Repair(ctx, p); err != nil {
		return bad("store paths", "push it again, and repeat this", "%s was altered (%s) and could not be repaired: %v", p, altered.What, err)
	}
	return ok("store paths", "%s was altered (%s): repaired from the cache", p, altered.What)
}
