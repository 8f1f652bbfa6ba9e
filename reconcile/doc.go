// Package reconcile is the loop: names go in, a Reconciler runs for each, and
// failures back off. It knows no service and no host; it could drive anything
// that has a name.
//
//	 Source ──┐  Enqueue(name): now
//	 Source ──┤  EnqueueAfter(name, d): in d
//	anybody ──┤
//	          ▼
//	   ┌─────────────┐ one place per name,   ┌─────────┐
//	   │    queue    │ first in, first out   │ workers │ at most Options.Workers,
//	   │  web  mail  ├──────────────────────►│         │ at most one per name
//	   └─────────────┘                       └────┬────┘
//	          ▲                                   │ Reconcile(ctx, name)
//	          │                                   ▼
//	          │ after RequeueAfter         ┌─────────────┐
//	          ├────────────────────────────┤ not yet     │ failures forgotten
//	          │ after 1 s, 2 s, 4 s … 5 min├─────────────┤
//	          └────────────────────────────┤ error       │ failures counted
//	                                       ├─────────────┤
//	     waits for somebody to Enqueue it ◄┤ done        │ failures forgotten
//	                                       │ Terminal    │
//	                                       └─────────────┘
//
// # What is in the queue
//
// A name, never an event and never an object: a pass reads the world and decides
// from what it sees. So events may be lost, doubled or reordered without harm, as
// long as something (a Ticker, say) enqueues every name now and then.
//
// # What is promised
//
//   - One pass at a time per name. A name enqueued while its pass runs gets one
//     more pass afterwards, however often it was enqueued.
//   - Enqueue beats every delay: a name that backs off runs at once when something
//     happens to it. Its failures stay counted, so the next failure waits longer
//     still; only success, Progressed, RequeueAfter and Terminal forget them.
//   - A name holds at most one delay of its own (backoff or RequeueAfter) and one
//     asked for by EnqueueAfter. A pass that starts drops the former, for it will
//     decide anew; it keeps the latter, for it may have started too early to see
//     what the caller wanted to be seen.
//   - A panic ends its pass, not the program: it counts as an error.
//   - When the context of Run ends, no new pass starts, and those that run are left
//     alone for Options.DrainTimeout before their context is cancelled. A pass is
//     never abandoned: Run returns when all have ended.
//
// # What a Reconciler must do
//
// Honour its context, change nothing that is already right, and be safe to run
// again after it was cut off anywhere. It logs through logr.FromContextOrDiscard,
// which carries controller, name and reconcileID, and it does not log the error
// that it returns: the engine does, once.
package reconcile
