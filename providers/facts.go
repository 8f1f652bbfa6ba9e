package providers

import (
	"io"
	"time"

	v1 "deployer/api/v1"
)

// What the interfaces of providers.go take and give: facts as they were observed, and what
// is to be made of them.

// GetOptions narrow a Get. The zero value asks for everything.
type GetOptions struct {
	IfNoneMatch string
	// MaxBytes bounds the body; 0 is no bound.
	MaxBytes int64
	// Offset is the first byte wanted.
	Offset int64
}

// PutOptions make a Put conditional.
type PutOptions struct {
	// IfMatch is the ETag that must be current.
	IfMatch string
	// IfAbsent: the key must not exist.
	IfAbsent    bool
	ContentType string
	// Sent is told of the body's bytes as they leave, from several goroutines. A try that
	// has to be begun again takes back what it told. May be nil.
	Sent func(n int64)
}

// ObjectInfo describes an object.
type ObjectInfo struct {
	Key        string
	ETag       string
	Size       int64
	ModifiedAt time.Time
}

// Object is an open object.
type Object struct {
	ObjectInfo
	Body io.ReadCloser
}

// PublishRequest is what Publish uploads.
type PublishRequest struct {
	// StorePath must be valid in the local store.
	StorePath string
	// Progress gets a line for people now and then. May be nil.
	Progress func(line string)
	// Watch is told how far the upload is, often, and never twice at once. May be nil.
	Watch func(PublishProgress)
}

// PublishProgress is how far an upload is.
type PublishProgress struct {
	// Paths to upload, and those of which the cache has all by now.
	Paths, PathsDone int
	// Size of those paths in bytes, not compressed, and what of it is uploaded.
	Size, SizeDone int64
	// Sent bytes so far, compressed.
	Sent int64
}

// PublishPlan is what a Publish would do now.
type PublishPlan struct {
	// NarHash of the path as this machine has it, sha256:….
	NarHash string
	// Paths of the closure, and what they take on a host, in bytes.
	Paths int
	Size  int64
	// Upload lists what the cache lacks, references before referrers.
	Upload []PublishPath
	// Sign lists what the cache has and our key has not signed yet.
	Sign []string
}

// PublishPath is one path that would be uploaded.
type PublishPath struct {
	StorePath string
	// Size in bytes, not compressed.
	Size int64
	// Problem of what the cache has in its place; empty when it has nothing.
	Problem string
}

// Published is what the cache has after a Publish.
type Published struct {
	// NarHash of the path, sha256:….
	NarHash string
	// Paths of the closure, and what they take on a host, in bytes.
	Paths int
	Size  int64
	// Uploaded bytes of this run, compressed.
	Uploaded int64
	// SignedBy is the name of the key.
	SignedBy string
}

// CacheEntry is what the cache says of one path.
type CacheEntry struct {
	StorePath string
	// Content is the key of the object with the path's files. Several entries may share one.
	Content string
	// Needs are the keys of the entries of all that the path refers to, but for itself.
	Needs []string
	// Problem says why nothing of it can be believed; empty when nothing is wrong.
	Problem string
}

// UnitSpec is what a slot's unit should be.
type UnitSpec struct {
	Service string
	Slot    v1.Slot
	// Release, defaulted, as its release.json has it. Nil: there should be no unit.
	Release *v1.Release
	// StandbyPort overrides PORT in the standby slot.
	StandbyPort int
}

// UnitFacts is what systemd and the unit's files show.
type UnitFacts struct {
	// Found: a unit of that name is known to systemd or has a file of ours.
	Found bool
	// Ours: its file carries our mark. A unit that is found and not ours is never touched.
	Ours bool
	// Current: file, links, drop-ins and loaded properties are what the spec renders to.
	Current bool
	// Differs says for people what is not Current: "drop-in override.conf", "masked", ….
	Differs []string
	// Altered: the present process was started after somebody changed the unit, so it may run
	// by settings that are not ours. It shows for as long as the change does.
	Altered bool
	// Active and Sub are systemd's states: active, activating, deactivating, inactive, failed.
	Active, Sub string
	// Since is when the unit became active; zero when it is not.
	Since time.Time
	// Started is when the present process was started, ready or not; zero when none runs.
	Started  time.Time
	MainPID  int
	Restarts int
	// Result, ExitStatus and Signal tell of the last exit: success, exit-code, signal, timeout, ….
	// systemd forgets them when it starts the unit again: see Units.LastExit.
	Result     string
	ExitStatus int
	Signal     string
	// Instance is what the process really runs, by its `revision` credential.
	Instance     string
	ControlGroup string
	// Memory in bytes; nil where the kernel does not account it.
	Memory *uint64
}

// Running reports whether a process of the unit is up and past its start.
func (f UnitFacts) Running() bool { return f.Active == "active" }

// JournalOptions narrow Units.Journal. The zero value gives no lines.
type JournalOptions struct {
	// Lines at most: the last ones.
	Lines int
	// Since leaves out what is older: what another instance said before this one was
	// started. Zero is no bound.
	Since time.Time
}

// Exit is the end of a process.
type Exit struct {
	At time.Time
	// Result is systemd's word: success (also for a stop that was asked for), exit-code,
	// signal, core-dump, timeout, oom-kill, watchdog, ….
	Result string
	// Status that it exited with, or Signal that ended it, such as KILL.
	Status int
	Signal string
}

// UnitName is one of our units.
type UnitName struct {
	Service string
	Slot    v1.Slot
}

// StagedRelease is a release directory.
type StagedRelease struct {
	Instance v1.Instance
	// Release is defaulted, as staged.
	Release     v1.Release
	Commit      string
	StandbyPort int
	StagedAt    time.Time
	// Verdict is nil until there is one.
	Verdict *v1.Verdict
}

// ReleaseFacts is what the release directories and pointers of a service show.
type ReleaseFacts struct {
	// Staged by Instance.String().
	Staged map[string]StagedRelease
	// Pointers name the instance that a start of the slot runs.
	Pointers map[v1.Slot]string
	// Upstream is the address in the upstream file; empty when there is none or when it
	// is not exactly host:port and a newline.
	Upstream string
	// Unfinished are the names, in order, of what a crash left in the service's directory
	// between writing and renaming, or half deleted: each may hold a copy of the secrets.
	Unfinished []string
}

// StageRequest is what Stage writes.
type StageRequest struct {
	Instance v1.Instance
	Release  v1.Release
	Commit   string
	// Secrets is written to the directory's 0600 copy.
	Secrets     Secret
	StandbyPort int
}

// Secret is a secrets file as it was read. It never prints its bytes.
type Secret struct {
	Fingerprint string
	Content     SecretBytes
}

// Route is how requests reach a service. The upstream is always its upstream file.
type Route struct {
	Service string
	// Domains are the domain and its aliases.
	Domains []string
	// Path is the prefix; "/" is everything.
	Path string
}

// RouteFacts is what Caddy has for a service.
type RouteFacts struct {
	Found bool
	// Current: exactly what Put would write, in its place.
	Current bool
	// Differs says for people what is not.
	Differs string
}

// ProbeRequest asks one question of one running slot.
type ProbeRequest struct {
	Service string
	Slot    v1.Slot
	Type    v1.HealthType
	Health  v1.Health
	// Host is the Host header: the service's domain.
	Host string
	Port int
	// ControlGroup of the slot: only a socket that a process in it listens on counts.
	ControlGroup string
	// Release that the slot runs: a health command runs in its environment, as its user and
	// from its closure. Only exec needs it.
	Release *v1.Release
}

// ProbeResult is the answer, for the decision and for people.
type ProbeResult struct {
	OK bool
	// Reason is a CamelCase word when it is not OK: ConnectionRefused, WrongStatus,
	// TimedOut, PortTaken (somebody else listens), NotListening, ….
	Reason string
	URL    string
	Answer string
}

// Floor is a lineage and the highest generation seen of it. The zero Floor obeys any.
type Floor struct {
	Lineage    string `json:"lineage"`
	Generation int64  `json:"generation"`
}

// Leftover is one thing that was never finished.
type Leftover struct {
	// Service that it was to be of.
	Service string
	// Path on the host, by which it is known.
	Path string
	// Instance of a release directory that is not whole; empty for anything else.
	Instance string
}
