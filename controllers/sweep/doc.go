// Package sweep removes what we own on a host and nobody wants, which no pass of a service
// would ever see: roots of revisions that were never staged, units and files of services
// that are gone, what crashes left.
//
//	Run, rarely:  look at the whole host ─► what nobody wants ─► noted, since when
//	                                                                  │ ten minutes later it
//	                                                                  ▼ is still so: Enqueue
//	Reconcile, in the turn of that name:  look again ─► remove ─► the service's own pass
//
// Three things make that safe. It is certain: nothing is noted or removed in a look in which
// any observation failed, nor while the manifest in force is not what the store has now.
// It is slow: what is unwanted for a moment is not touched, for a push may be on its way.
// And it is alone: the engine runs one pass at a time per name, and the sweep takes its turn
// in it, so that it never works on a service beside the service's own pass.
//
// What the passes of services remove by themselves is left to them (step_prune, and the
// removal plan). A service that the manifest does not mention and that is still there keeps
// everything.
package sweep
