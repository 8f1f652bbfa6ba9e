package manifest

import (
	"errors"
	"fmt"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// refusal is a decision about content: looking at the same content again is in vain.
type refusal struct{ *providers.Fault }

// Unwrap gives the fault that status shows.
func (r *refusal) Unwrap() error { return r.Fault }

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// accept decides whether a manifest that was read may be obeyed. A refusal changes
// nothing: the one in force stays in force.
func accept(floor providers.Floor, inForce, read *Snapshot) error {
	m := read.Manifest
	switch {
	case floor.Lineage != "" && m.Lineage != floor.Lineage:
		return &refusal{&providers.Fault{
			Reason: "LineageChanged",
			Message: fmt.Sprintf("the store has a manifest of another lineage (%s, this host obeys %s); "+
				"if that is meant, run `deployerctl adopt` here", lineageName(m), floor.Lineage),
		}}
	case m.Lineage == floor.Lineage && m.Generation < floor.Generation:
		return &refusal{&providers.Fault{
			Reason: "GenerationReplayed",
			Message: fmt.Sprintf("the store has generation %d, but this host has seen generation %d; "+
				"an older manifest was put back: undo that, or roll back with `deploy-manifest rollback`, which writes a new generation",
				m.Generation, floor.Generation),
		}}
	case forked(inForce, read):
		return &refusal{&providers.Fault{
			Reason: "GenerationForked",
			Message: fmt.Sprintf("the store has another manifest with the same generation %d; "+
				"somebody wrote it without deploy-manifest: write any change with deploy-manifest to settle it", m.Generation),
		}}
	}
	return nil
}

// forked: the same generation with other content. Documents of the system before us have
// no generation, and may change freely.
func forked(inForce, read *Snapshot) bool {
	if inForce == nil || read.Manifest.Generation == 0 {
		return false
	}
	a, b := inForce.Manifest, read.Manifest
	return a.Lineage == b.Lineage && a.Generation == b.Generation && inForce.Hash != read.Hash
}

func lineageName(m *v1.Manifest) string {
	if m.Lineage == "" {
		return "none"
	}
	return m.Lineage
}
