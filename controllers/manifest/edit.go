package manifest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// EditOptions say who writes and why.
type EditOptions struct {
	// By is user@host, or in CI the person and the run.
	By string
	// Message says why, for people. Empty: it is made from the change.
	Message string
	// AllowMassRemoval lets an edit remove many services at once.
	AllowMassRemoval bool
	// DryRun checks everything and writes nothing.
	DryRun bool
	// Replace lets an edit that needs nothing of the manifest in force take the place of
	// one that is lost or cannot be read.
	Replace bool
	// NewLineage lets Init begin anew where archived versions of another lineage are.
	NewLineage bool
}

// Edited is what an edit did.
type Edited struct {
	// Before and After; equal when there was nothing to change, and then nothing was written.
	Before, After *v1.Manifest
	// Archive is the name under which Before was kept; empty when it was lost.
	Archive string
	// Changed: After differs. Written: it is in force, which it is not after a dry run.
	Changed, Written bool
	// Lost: Before only stands in for a manifest that was lost or cannot be read, and has
	// none of its services.
	Lost bool
}

// maxTries bounds how often an edit is applied again after a lost race. Together with the
// pauses it is longer than claimAge.
const maxTries = 200

// Edit reads the manifest, lets edit change a copy, archives what was in force, and
// writes the copy as the next generation. When somebody else was faster, it reads again
// and applies the same edit to what is there now: no update is lost. The edit may run
// several times, and must not keep what it was given.
func (r *Repository) Edit(ctx context.Context, o EditOptions, edit func(*v1.Manifest) error) (*Edited, error) {
	for try := range maxTries {
		done, err := r.tryEdit(ctx, o, edit)
		if !errors.Is(err, providers.ErrConflict) {
			return done, err
		}
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("writing the manifest: lost the race against other writers %d times: %w", maxTries, providers.ErrConflict)
}

// pause waits a random time that grows with the tries, so that writers do not meet again.
func pause(ctx context.Context, try int) error {
	longest := min(10*time.Millisecond<<min(try, 6), 500*time.Millisecond)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(rand.N(longest)):
		return nil
	}
}

func (r *Repository) tryEdit(ctx context.Context, o EditOptions, edit func(*v1.Manifest) error) (*Edited, error) {
	before, err := r.Read(ctx)
	if o.Replace {
		before, err = r.orStandIn(ctx, before, err)
	}
	if err != nil {
		return nil, err
	}
	after := before.Manifest.Clone()
	if after.Generation, err = r.nextGeneration(ctx, before); err != nil {
		return nil, err
	}
	if err := edit(after); err != nil {
		return nil, err
	}
	if !before.standsIn() && sameWishes(before.Manifest, after) {
		return &Edited{Before: before.Manifest, After: before.Manifest}, nil
	}
	if err := r.finish(before, after, o); err != nil {
		return nil, err
	}
	if o.DryRun {
		return &Edited{Before: before.Manifest, After: after, Changed: true, Lost: before.standsIn()}, nil
	}
	return r.commit(ctx, before, after)
}

// commit archives what was in force, and then writes the next generation in its place.
func (r *Repository) commit(ctx context.Context, before *Snapshot, after *v1.Manifest) (*Edited, error) {
	conditional, err := r.conditional(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking the store for conditional writes: %w", err)
	}
	began := r.now()
	if !conditional {
		release, err := r.claim(ctx, before, after)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	name, err := r.archive(ctx, before)
	if err != nil {
		return nil, err
	}
	if !conditional && r.now().Sub(began) > claimAge/2 {
		return nil, fmt.Errorf("writing %s: the claim got old: %w", Key, providers.ErrConflict)
	}
	o := providers.PutOptions{}
	switch {
	case before.missing:
		o.IfAbsent = true
	case conditional:
		o.IfMatch = before.ETag
	}
	err = r.put(ctx, Key, after, o)
	if err != nil || !conditional {
		err = r.readBack(ctx, after, err)
	}
	if err != nil {
		return nil, err
	}
	return &Edited{Before: before.Manifest, After: after, Archive: name, Changed: true, Written: true, Lost: before.standsIn()}, nil
}

// readBack settles what a write did whose answer got lost, or that had no condition.
func (r *Repository) readBack(ctx context.Context, after *v1.Manifest, wrote error) error {
	if errors.Is(wrote, providers.ErrConflict) {
		return wrote
	}
	got, err := r.Read(ctx)
	switch {
	case err == nil && got.Hash == after.Hash():
		return nil
	case wrote != nil:
		return fmt.Errorf("%w; it is not certain that generation %d was not written: `deploy-manifest show` tells", wrote, after.Generation)
	case err != nil:
		return fmt.Errorf("reading back generation %d: %w", after.Generation, err)
	}
	return fmt.Errorf("writing %s: another writer was there at the same moment: %w", Key, providers.ErrConflict)
}

// finish fills what every write carries, and refuses a result that is not valid.
func (r *Repository) finish(before *Snapshot, after *v1.Manifest, o EditOptions) error {
	after.Version = v1.Version
	after.Previous = before.Hash
	after.UpdatedAt = r.now().UTC().Truncate(time.Second)
	after.UpdatedBy, after.Message = o.By, o.Message
	if o.Message == "" {
		after.Message = messageOf(before.Manifest, after)
	}
	if after.Lineage == "" {
		after.Lineage = newLineage()
	}
	if list := after.Validate(); len(list) > 0 {
		return v1.ErrorList(list)
	}
	if err := checkProtected(before.Manifest, after); err != nil {
		return err
	}
	if o.AllowMassRemoval {
		return nil
	}
	return checkMassRemoval(before.Manifest, after)
}

// checkProtected refuses to take a protected service off any of its hosts, whatever the
// edit: that it is protected no more is a decision, and a write, of its own.
func checkProtected(before, after *v1.Manifest) error {
	for _, s := range before.Services {
		if !s.Protect {
			continue
		}
		now := after.Service(s.Name)
		for _, host := range s.Hosts {
			if now == nil || !now.RunsOn(host) {
				return protected(s.Name, "this would take it off "+host)
			}
		}
	}
	return nil
}

// checkMassRemoval refuses an edit that takes down more than one service and over 30 %
// of them, everywhere or on one of their hosts: such an edit is more often a mistake than
// a wish.
func checkMassRemoval(before, after *v1.Manifest) error {
	gone := 0
	for _, s := range before.Services {
		now := after.Service(s.Name)
		if now == nil || slices.ContainsFunc(s.Hosts, func(host string) bool { return !now.RunsOn(host) }) {
			gone++
		}
	}
	if gone <= 1 || gone*10 <= len(before.Services)*3 {
		return nil
	}
	return &providers.Fault{
		Reason: "MassRemoval",
		Message: fmt.Sprintf("this would take down %d of %d services at once, on all or some of their hosts, so nothing was written; "+
			"if that is what you want, say --allow-mass-removal", gone, len(before.Services)),
	}
}

// sameWishes compares all that people decide, and none of what a write adds.
func sameWishes(a, b *v1.Manifest) bool {
	bare := func(m *v1.Manifest) *v1.Manifest {
		c := m.Clone()
		c.Generation, c.Previous, c.UpdatedAt, c.UpdatedBy, c.Message = 0, "", time.Time{}, "", ""
		return c
	}
	return bare(a).Hash() == bare(b).Hash()
}
