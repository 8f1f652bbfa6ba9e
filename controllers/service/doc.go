// Package service makes one service on one host agree with the manifest.
//
// A pass observes everything, asks Next for the first thing that is not as it should be,
// does that one thing, and observes again, until nothing is left:
//
//	     ┌────────── observe ◄─────────┐
//	     ▼                             │ did one step
//	target + Next ── a step ──► record the intent ──► Run
//	     │
//	     └─ nothing left, or "not yet" ──► summary
//
// There is one file per step, so the list of files is the list of behaviours; plan.go
// wires them in their order. The order is the safety, and it is written down only there.
//
//	replace:  root → pull → stage → route → install → start → health → shift → soak → prune
//	removal:  unroute → stop → uninstall → unroot → forget
//
// Overlap (a second slot beside the first, traffic moved by one rename) becomes a third
// plan here; the standby slot, its pointer and the upstream file exist already.
package service
