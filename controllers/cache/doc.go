// Package cache cleans up the binary cache in the store: it deletes what no kept version of
// the manifest and no host needs any more, and nothing else.
//
// A collection marks and sweeps in two phases, a grace period apart. What nothing needs is
// first only listed, as a candidate; it is deleted by a collection that finds it listed for
// at least the grace period, unchanged since, and still needed by nothing. So whoever
// uploads by any tool has that long to write the manifest.
//
// That alone would not save a push of what was a candidate for long: it finds the path in
// the cache, sends nothing, and writes the manifest while the path is being deleted. So who
// is about to rely on the cache announces it first, and collections and announcements keep
// out of each other's way: each first writes its own claim and then looks for those of the
// others, so that of two at least one sees the other. A collection that sees an announcement
// deletes nothing, and an announcement that sees a collection waits for its end.
//
// Deleting goes from what refers to what is referred to, entries before their content: at
// any moment, and after any crash, all that an entry of the cache refers to is there.
//
// Keys in the store:
//
//	gc/candidates.json      what nothing needed, and since when
//	gc/claims/push-….json   somebody who relies on the cache right now
//	gc/claims/collect-….json  a collection at work
package cache
