package manifest

import (
	"context"
	"fmt"
	"reflect"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// consider obeys what was read, or says why not. What is to be remembered is on disk
// before it is in force.
func (s *Source) consider(ctx context.Context, read *Snapshot) ([]string, error) {
	floor, err := s.o.States.Floor(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the generation floor: %w", err)
	}
	s.mu.Lock()
	inForce := s.inForce
	s.mu.Unlock()
	if err := accept(floor, inForce, read); err != nil {
		return nil, err
	}
	if err := s.guardProtected(ctx, inForce, read); err != nil {
		return nil, err
	}
	if inForce != nil && inForce.Hash == read.Hash {
		s.obey(read)
		return nil, nil
	}
	if err := s.o.States.SaveManifest(ctx, read.Raw); err != nil {
		return nil, fmt.Errorf("keeping the manifest: %w", err)
	}
	if err := s.o.States.RaiseFloor(ctx, providers.Floor{Lineage: read.Manifest.Lineage, Generation: read.Manifest.Generation}); err != nil {
		return nil, fmt.Errorf("keeping the generation floor: %w", err)
	}
	return s.obey(read), nil
}

// obey puts a manifest in force and gives the names whose assignment changed.
func (s *Source) obey(read *Snapshot) []string {
	now := read.Manifest.Assignments(s.o.Host)
	s.mu.Lock()
	defer s.mu.Unlock()
	var changed []string
	for name, a := range now {
		if old, ok := s.assignments[name]; !ok || !sameWish(old, a) {
			changed = append(changed, name)
		}
	}
	for name := range s.assignments {
		if _, ok := now[name]; !ok {
			changed = append(changed, name)
		}
	}
	s.inForce, s.assignments = read, now
	s.status.Hash, s.status.UpdatedAt, s.status.UpdatedBy = read.Hash, read.Manifest.UpdatedAt, read.Manifest.UpdatedBy
	return changed
}

// sameWish leaves out the generation, and who wrote it and why: a write that concerns other
// services concerns this one not.
func sameWish(a, b v1.Assignment) bool {
	a.Generation, a.By, a.Message = b.Generation, b.By, b.Message
	return reflect.DeepEqual(a, b)
}

// Adopt makes this host obey what the store has now: another lineage, or a manifest that
// takes down what is protected here.
func (s *Source) Adopt(ctx context.Context) (*v1.Manifest, error) {
	s.looking.Lock()
	defer s.looking.Unlock()
	read, err := s.o.Repository.Read(ctx)
	if err != nil {
		return nil, err
	}
	floor := providers.Floor{Lineage: read.Manifest.Lineage, Generation: read.Manifest.Generation}
	if err := s.o.States.RaiseFloor(ctx, floor); err != nil {
		return nil, fmt.Errorf("keeping the generation floor: %w", err)
	}
	s.mu.Lock()
	s.status.ETag, s.adopted = "", read.Hash
	s.mu.Unlock()
	s.Wake()
	return read.Manifest, nil
}
