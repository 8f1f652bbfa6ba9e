// Package providers says what the controllers need of a host and of the store: small
// interfaces, the facts that they return, and four sentinel errors. Each adapter below
// this directory implements one of them; providers/fake implements all of them in
// memory, and providers/conformance holds both to the same specs.
package providers

import (
	"context"
	"errors"
	"io"

	v1 "deployer/api/v1"
)

// The four errors at the border. Everything else that an adapter returns is a failure
// whose effect is unknown, and is treated like ErrUnavailable.
var (
	// ErrNotFound: certainly absent. The only error on which anything may be removed.
	ErrNotFound = errors.New("not found")
	// ErrNotModified: what the caller already has is current.
	ErrNotModified = errors.New("not modified")
	// ErrConflict: somebody else was faster; read again and re-apply.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable: the answer is unknown; change nothing that depends on it.
	ErrUnavailable = errors.New("unavailable")
)

// Host is everything a service reconciler acts through.
type Host struct {
	Closures Closures
	Units    Units
	Releases Releases
	Secrets  Secrets
	Routes   Routes
	Prober   Prober
	Ports    Ports
	States   States
	History  History
	Holds    Holds
	// Leftovers are those of each adapter that can leave some.
	Leftovers []Leftovers
}

// Objects is the store: manifest, archive, cache and reports.
type Objects interface {
	// Get opens an object; the caller closes its Body. An unchanged ETag gives
	// ErrNotModified, a missing key ErrNotFound, a longer body than MaxBytes an error
	// while reading.
	Get(ctx context.Context, key string, o GetOptions) (*Object, error)
	// Stat is Get without the body.
	Stat(ctx context.Context, key string) (ObjectInfo, error)
	// Put writes an object whole or not at all. A lost race is ErrConflict.
	Put(ctx context.Context, key string, body io.ReadSeeker, o PutOptions) (ObjectInfo, error)
	// List gives all objects below a prefix, by key.
	List(ctx context.Context, prefix string) ([]ObjectInfo, error)
	// Delete removes an object; an absent one is not an error.
	Delete(ctx context.Context, key string) error
}

// Closures are Nix closures in the local store, and the GC roots that keep them.
type Closures interface {
	// Observe tells, for each path, whether it is usable here. One call for many paths.
	Observe(ctx context.Context, storePaths ...string) (map[string]ClosureFacts, error)
	// Pull makes the whole closure valid and present, with required signatures. A damaged
	// path is fetched again. Safe to run twice; resumes.
	Pull(ctx context.Context, storePath string) error
	// Verify reads all files of the closures of these paths, each path once, and tells which
	// are not what was registered. What is not valid here is left out. An error is about
	// what could not be read; what was seen until then is given all the same.
	Verify(ctx context.Context, r VerifyRequest) (Verified, error)
	// Repair fetches one valid path again, with required signatures, whatever is on disk. It
	// touches nothing before the cache's copy has proved good: meanwhile the files are in use.
	Repair(ctx context.Context, storePath string) error
	// RootTarget is the store path that a root of ours points to; ErrNotFound when there
	// is no such root. It costs one readlink.
	RootTarget(ctx context.Context, name string) (string, error)
	// Roots lists our roots: name to store path, dangling ones included.
	Roots(ctx context.Context) (map[string]string, error)
	// Root points the root of that name to the path, which need not exist yet.
	Root(ctx context.Context, name, storePath string) error
	// Unroot removes a root; an absent one is not an error.
	Unroot(ctx context.Context, name string) error
}

// Publisher puts closures of this machine's Nix store into the cache. It is the side of
// the people who build; hosts have none.
type Publisher interface {
	// Plan tells what Publish would do, and changes nothing.
	Plan(ctx context.Context, storePath string) (PublishPlan, error)
	// Publish signs and uploads the closure, and returns when all of it was read back with
	// a good signature. What the cache has already is not sent again. Safe to run twice.
	Publish(ctx context.Context, r PublishRequest) (Published, error)
}

// CacheIndex reads what the cache says of each path that it has, for who cleans it up.
type CacheIndex interface {
	// Key is that of the object about a store path; empty when it is no store path.
	Key(storePath string) string
	// Entry reads the object with that key. One that is not what it should be is an answer,
	// with its Problem; one that is not there is ErrNotFound.
	Entry(ctx context.Context, key string) (CacheEntry, error)
}

// Units are the systemd units of services. Only units with our mark are touched;
// Install and Remove on a foreign one fail with ErrConflict.
type Units interface {
	// Observe is cheap: many services share one listing.
	Observe(ctx context.Context, spec UnitSpec) (UnitFacts, error)
	// Owned lists the units that carry our mark.
	Owned(ctx context.Context) ([]UnitName, error)
	// Install writes the unit and its links and makes systemd load them. It starts nothing.
	Install(ctx context.Context, spec UnitSpec) error
	// Start starts the slot, or restarts it when it is active, and waits for the job.
	// A release that does not come up is a *Fault with Own set. One that says itself when
	// it is ready (health.notify) is waited for only briefly: that it is still activating
	// is not an error, and how long it may be is not for Start to say.
	Start(ctx context.Context, service string, slot v1.Slot) error
	// Stop stops the slot and waits. A unit that does not run is not an error.
	Stop(ctx context.Context, service string, slot v1.Slot) error
	// Remove deletes the stopped slot's unit and links. An absent one is not an error.
	Remove(ctx context.Context, service string, slot v1.Slot) error
	// Journal gives the last lines of the slot's unit, oldest first.
	Journal(ctx context.Context, service string, slot v1.Slot, o JournalOptions) ([]string, error)
	// LastExit tells how a process of the slot last ended, also when systemd has started
	// another one since; ErrNotFound when none is known to have ended. It reads the
	// journal: for an explanation, not for every pass.
	LastExit(ctx context.Context, service string, slot v1.Slot) (Exit, error)
}

// Releases are the release directories, the slot pointers and the upstream files.
type Releases interface {
	Observe(ctx context.Context, service string) (ReleaseFacts, error)
	// Services lists all names that have a release directory or an upstream file.
	Services(ctx context.Context) ([]string, error)
	// Stage writes a release directory beside and renames it. Safe to repeat.
	Stage(ctx context.Context, r StageRequest) error
	// Reserve puts the port that a staged instance has in the standby slot on record.
	Reserve(ctx context.Context, service, instance string, port int) error
	// Point flips a slot's pointer by one rename. An empty instance removes it.
	Point(ctx context.Context, service string, slot v1.Slot, instance string) error
	// Shift moves traffic: one rename of the upstream file. Port is on 127.0.0.1.
	Shift(ctx context.Context, service string, port int) error
	// Judge makes a verdict durable; nothing may act on it before.
	Judge(ctx context.Context, service string, v v1.Verdict) error
	// Pardon takes a bad verdict back, so that the instance may be tried again. One that is
	// not bad, or not there, is left as it is.
	Pardon(ctx context.Context, service, instance string) error
	// Discard deletes one release directory, which no pointer may name.
	Discard(ctx context.Context, service, instance string) error
	// Tidy deletes what is Unfinished of a service.
	Tidy(ctx context.Context, service string) error
	// Forget deletes all that is left of a service: directories, pointers, upstream file.
	Forget(ctx context.Context, service string) error
}

// Secrets are the secrets files on the host.
type Secrets interface {
	// Read checks existence, owner and mode, and fingerprints the content with the host's
	// key. A file that may not be used is a *Fault (SecretsMissing, SecretsExposed, …).
	// An empty path gives the zero Secret with fingerprint v1.NoSecrets.
	Read(ctx context.Context, path string) (Secret, error)
}

// Routes are our routes in Caddy, known by their @id; nothing else is touched.
type Routes interface {
	// Observe compares the service's route with want, which may be nil for "none". Many
	// services share one reading.
	Observe(ctx context.Context, service string, want *Route) (RouteFacts, error)
	// Owned lists the services that have a route of ours.
	Owned(ctx context.Context) ([]string, error)
	// Put writes the route, never when it is equal. Concurrent calls share one write.
	Put(ctx context.Context, r Route) error
	// Remove deletes the service's route; an absent one is not an error.
	Remove(ctx context.Context, service string) error
}

// Prober asks running instances how they are.
type Prober interface {
	// Probe returns an error only when the question could not be put; an unwell instance
	// is an answer.
	Probe(ctx context.Context, r ProbeRequest) (ProbeResult, error)
	// Holder names the program that listens where 127.0.0.1:port leads; empty when there is
	// none. It is for instances that ended and are not there to be probed.
	Holder(ctx context.Context, port int) (string, error)
}

// Ports are the TCP ports of this host.
type Ports interface {
	// Connections counts the established connections whose server side is that port, over
	// IPv4 and IPv6. It is how a drain is watched: Caddy's own counters lump both slots.
	Connections(ctx context.Context, port int) (int, error)
	// Free finds a port for a service's standby slot on which nobody listens, outside the
	// kernel's range for outgoing connections, and none of avoid. The same service gets the
	// same port again while that is free.
	Free(ctx context.Context, service string, avoid []int) (int, error)
}

// Watcher tells of changes on the host as they happen. It says which service to look at,
// never what happened: the pass looks for itself, and an event that is lost costs a delay.
type Watcher interface {
	// Watch calls changed until ctx ends, and returns nil then. It mends its own
	// connections; an error is something it can never watch. changed never blocks.
	Watch(ctx context.Context, changed func(service string)) error
}

// Messenger takes notifications to people.
type Messenger interface {
	// Name says where to, without anything secret.
	Name() string
	// Send takes one message, JSON. It is bounded, and may be tried again: the same message
	// may arrive twice.
	Send(ctx context.Context, message []byte) error
}

// History is the record of deployments on this host, bounded, for people.
type History interface {
	// SaveDeployment adds a deployment, or replaces the one of the same service that began
	// at the same time.
	SaveDeployment(ctx context.Context, d v1.Deployment) error
	// Deployments lists those of a service, newest first; an empty service is all of them.
	Deployments(ctx context.Context, service string) ([]v1.Deployment, error)
}

// Holds are the pauses that were set on this host, beside those of the manifest.
type Holds interface {
	// Holds lists them by service, lapsed ones included.
	Holds(ctx context.Context) (map[string]v1.Hold, error)
	// SaveHold sets the hold of a service; nil takes it away.
	SaveHold(ctx context.Context, service string, h *v1.Hold) error
}

// Leftovers are what a crash left of ours: links and files that were being made, and
// directories that are not whole. No observation shows them.
type Leftovers interface {
	// Leftovers lists them, each with the service that it was to be of.
	Leftovers(ctx context.Context) ([]Leftover, error)
	// Clear deletes one, while nobody else works on its service. What is whole by now, or
	// gone, is left alone without an error.
	Clear(ctx context.Context, l Leftover) error
}

// States is the daemon's own memory on disk. Losing it restarts nothing.
type States interface {
	// SaveState replaces state.json.
	SaveState(ctx context.Context, s v1.HostState) error
	// LoadState gives the last one; an unreadable file is moved aside and is ErrNotFound.
	LoadState(ctx context.Context) (v1.HostState, error)
	// Record appends an event; the file is bounded.
	Record(ctx context.Context, e v1.Event) error
	// Events lists what is kept, oldest first; an empty service is all of them.
	Events(ctx context.Context, service string) ([]v1.Event, error)
	// SaveManifest keeps the last valid manifest, as the store had it.
	SaveManifest(ctx context.Context, data []byte) error
	// LoadManifest gives it back; ErrNotFound when there is none.
	LoadManifest(ctx context.Context) ([]byte, error)
	// Floor is the highest generation seen of the lineage that this host obeys. It has a
	// file of its own and survives the loss of state.json.
	Floor(ctx context.Context) (Floor, error)
	// RaiseFloor never lowers a generation of the same lineage.
	RaiseFloor(ctx context.Context, f Floor) error
	// HostName pins the name that this host answers to: the first one given stays.
	HostName(ctx context.Context, current string) (pinned string, err error)
}
