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
// There is one file per step, so the list of files is the list of behaviours; plan.go and
// plan_overlap.go wire them in their order. The order is the safety, and it is written down
// only there.
//
//	prepare:  root → pull → stage → route
//	replace:  install → start → health → shift → soak → prune
//	overlap:  the same beside what serves, in the standby slot, and then in the primary
//	removal:  unroute → stop → uninstall → unroot → forget
//
// Going back is no plan of its own: a release that is judged bad (condemn.go) is no target
// any more, and the last good one is.
package service
