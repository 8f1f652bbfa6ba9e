// Package manifest keeps the desired state: the Repository reads, verifies, edits and
// archives the manifest in the store (the command line uses it, too), and the Source
// polls it on a host, decides whether what it reads may be obeyed, keeps the last valid
// one on disk, and enqueues the names whose assignment changed.
//
// Keys in the store:
//
//	manifest.json                             the manifest in force
//	manifests/manifest-20261216T033000Z.json  what was in force before, by its updatedAt
//	manifests/manifest-20261216T033000Z-g7.json  a second generation of that same second
//	manifests/damaged-20261216T033000Z.json   a manifest that a rollback found unreadable
//	manifests/.claims/…                       a writer at work, in stores without conditions
package manifest
