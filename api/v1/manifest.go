// Package v1 is what we want and what we saw: the manifest, what a host makes of it, and
// what a host reports. Decode, defaults, validation, diff and revision are here, too.
// Nothing in it does any I/O.
package v1

import "time"

// Version is the only manifest version this program writes and reads.
const Version = 1

// PlaceholderPath stands in artifact.storePath for "no release yet": the service is
// accepted, shown as Waiting, and deployed when an update or a push names a real path.
const PlaceholderPath = "/nix/store/placeholder"

// Manifest is the desired state of all hosts: one object in the store, written by
// people through deploy-manifest and deploy-push, read by every host's daemon.
// It holds what people wrote; defaults are added on reading (see Service.Default) and
// never stored, so a new default never looks like an edit.
type Manifest struct {
	// Version is always 1.
	Version int `json:"version"`
	// Lineage is a random id given by init. A host obeys another lineage only after
	// `deployerctl adopt`.
	Lineage string `json:"lineage,omitempty"`
	// Generation grows by one with every write. Hosts refuse a lower one of the same lineage.
	Generation int64 `json:"generation,omitempty"`
	// Previous is the content hash of the version before (see Manifest.Hash).
	Previous string `json:"previous,omitempty"`
	// Expires, when set, is the time after which hosts report the manifest as stale.
	// They keep serving.
	Expires *time.Time `json:"expires,omitempty"`
	// UpdatedAt is the time of the write, UTC, to the second.
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
	// UpdatedBy is user@host of the writer, for people.
	UpdatedBy string `json:"updatedBy,omitempty"`
	// Message says why, for people.
	Message string `json:"message,omitempty"`
	// Services are the wanted services, in the order people gave them.
	Services []Service `json:"services"`
	// Removed lists services to take down. Absence from Services alone removes nothing.
	Removed []Removal `json:"removed,omitempty"`
}

// Removal says that a service is to be removed from the hosts that run it.
type Removal struct {
	// Name of the service that goes.
	Name string `json:"name"`
	// Generation in which the removal was written.
	Generation int64 `json:"generation,omitempty"`
	// By is user@host of who removed it.
	By string `json:"by,omitempty"`
}

// Service is one long-running program and how it is reached.
type Service struct {
	// Name is the unit's name, too: [a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?, not ending in -standby.
	Name string `json:"name"`
	// Artifact is the program's closure. Left out, or with the placeholder path: Waiting.
	Artifact *Artifact `json:"artifact,omitempty"`
	// Commit is the VCS revision the release was built from, for people.
	Commit string `json:"commit,omitempty"`
	// Hosts names the hosts that run it.
	Hosts []string `json:"hosts"`
	// Exec says how the program is started.
	Exec Exec `json:"exec,omitzero"`
	// Env is the program's environment. It is not secret: secrets go into EnvFile. Names
	// that systemd sets itself are refused, and LD_* may only name paths in /nix/store.
	Env map[string]string `json:"env,omitempty"`
	// EnvFile is the path, on the host, of the secrets file, below /var/lib/biz-secrets:
	// 0600, owned by root.
	EnvFile string `json:"envFile,omitempty"`
	// HTTP routes requests to it. A worker has none.
	HTTP *HTTP `json:"http,omitempty"`
	// Health says how an instance is judged.
	Health *Health `json:"health,omitempty"`
	// Deploy says how a release replaces the one before.
	Deploy Deploy `json:"deploy,omitzero"`
	// Systemd holds what only systemd understands.
	Systemd Systemd `json:"systemd,omitzero"`
	// Hardening is the sandbox of the process.
	Hardening Hardening `json:"hardening,omitzero"`
	// Resources are limits on memory, CPU and tasks.
	Resources Resources `json:"resources,omitzero"`
	// StateDirectory is a directory name below /var/lib that the program may write. On one
	// host no two services share its first part.
	StateDirectory string `json:"stateDirectory,omitempty"`
	// Hold pauses the service on every host.
	Hold *Hold `json:"hold,omitempty"`
	// Protect refuses the removal of the service.
	Protect bool `json:"protect,omitempty"`
}

// ArtifactTypeNixClosure is the default artifact type, and the only one.
const ArtifactTypeNixClosure = "nix-closure"

// Artifact names what is deployed.
type Artifact struct {
	// Type is nix-closure.
	Type string `json:"type,omitempty"`
	// StorePath is the root of the closure, /nix/store/<hash>-<name>.
	StorePath string `json:"storePath"`
	// NarHash, when given, must equal the hash of the path as Nix knows it: sha256: and 52
	// characters of Nix base32.
	NarHash string `json:"narHash,omitempty"`
}

// Exec says how the program is started.
type Exec struct {
	// Command: null means bin/<service name> of the store path. A string is split as a
	// shell would, but never run by one. A relative first word is below the store path;
	// an absolute one is in /nix/store.
	Command Command `json:"command,omitempty"`
	// Args are appended to Command.
	Args []string `json:"args,omitempty"`
	// User runs the process. Left out: a dynamic user biz-<name>, never root.
	User string `json:"user,omitempty"`
	// Group of the process. Left out: the user's own.
	Group string `json:"group,omitempty"`
}

// HTTP says where requests come from and where they go.
type HTTP struct {
	// Domain is an exact lower-case host name.
	Domain string `json:"domain"`
	// Aliases are further names of the same kind.
	Aliases []string `json:"aliases,omitempty"`
	// Path is the prefix that is routed, in its shortest form (/api, not /api/); "/" when
	// left out. It is not stripped.
	Path string `json:"path,omitempty"`
	// InternalPort is the port that the program listens on, on 127.0.0.1.
	InternalPort int `json:"internalPort"`
}

// Health says how an instance is judged well. At most one of TCP, Exec and Notify is
// set; with none of them, and with http, it is an HTTP probe.
type Health struct {
	// Path is asked with GET. With an explicit path 2xx and 3xx are well; without one "/"
	// is asked and anything below 500 is.
	Path string `json:"path,omitempty"`
	// Status, 200 to 599, is the only status that is well, when it is set.
	Status int `json:"status,omitempty"`
	// Interval between probes, 10ms to 1h; 500ms when left out.
	Interval Duration `json:"interval,omitempty"`
	// Timeout of one probe, 10ms to 5m; 5s when left out.
	Timeout Duration `json:"timeout,omitempty"`
	// Deadline from the start within which the instance must be well, 100ms to 1h; 60s
	// when left out.
	Deadline Duration `json:"deadline,omitempty"`
	// Rise is the number of good probes in a row that make it well; 2 when left out.
	Rise int `json:"rise,omitempty"`
	// TCP: an accepted connection on internalPort is enough.
	TCP bool `json:"tcp,omitempty"`
	// Exec is a command of the closure; exit status 0 is well.
	Exec Command `json:"exec,omitempty"`
	// Notify: the program tells systemd (Type=notify) that it is ready.
	Notify bool `json:"notify,omitempty"`
}

// Strategies of Deploy.
const (
	// StrategyReplace restarts the one slot while Caddy holds requests.
	StrategyReplace = "replace"
	// StrategyOverlap runs the new release beside the old one and moves traffic.
	StrategyOverlap = "overlap"
)

// Deploy says how a release replaces the one before.
type Deploy struct {
	// Strategy is overlap or replace; see Service.StrategyReason for the default.
	Strategy string `json:"strategy,omitempty"`
	// Soak is how long a release must stay well under traffic before it counts as good;
	// 10s when left out, at most 24h.
	Soak Duration `json:"soak,omitempty"`
	// Drain is how long open connections may finish; 30s when left out, at most 1h.
	Drain Duration `json:"drain,omitempty"`
	// Order of hosts, the first being the canary: each starts a release that it never had
	// only when those before it have soaked it, and hosts that are not listed come last.
	Order []string `json:"order,omitempty"`
	// Attempt makes a new revision of the same content: another try.
	Attempt int `json:"attempt,omitempty"`
}

// Systemd holds what only systemd understands.
type Systemd struct {
	// After names units that must have started before it.
	After []string `json:"after,omitempty"`
	// Requires names units without which it does not run: it stops when they do.
	Requires []string `json:"requires,omitempty"`
	// Restart is systemd's Restart=: always, on-failure, on-abnormal, on-abort,
	// on-watchdog, on-success or no; "always" when left out.
	Restart string `json:"restart,omitempty"`
	// RestartSec is the first delay; 10 ms when left out, growing with failures.
	RestartSec Duration `json:"restartSec,omitempty"`
}

// Profiles of Hardening.
const (
	ProfileStandard = "standard"
	ProfileStrict   = "strict"
	ProfileNone     = "none"
)

// Hardening is the sandbox of the process.
type Hardening struct {
	// Profile is standard, strict or none; standard when left out. Strict adds that the
	// service reaches this host only and makes no memory executable.
	Profile string `json:"profile,omitempty"`
	// DynamicUser overrides the choice that follows from exec.user: true makes the user
	// of that name for as long as the service runs, false means that it exists.
	DynamicUser *bool `json:"dynamicUser,omitempty"`
	// PrivateTmp gives the service a /tmp of its own. A dynamic user always has one.
	PrivateTmp *bool `json:"privateTmp,omitempty"`
	// ProtectSystem is systemd's: true, false, full or strict; strict with a dynamic user.
	ProtectSystem Toggle `json:"protectSystem,omitempty"`
	// ProtectHome is systemd's: true, false, read-only or tmpfs.
	ProtectHome Toggle `json:"protectHome,omitempty"`
	// Allow names what the profile would refuse; see AllowWords.
	Allow []string `json:"allow,omitempty"`
}

// Resources are limits of the service's control group.
type Resources struct {
	// MemoryMax in systemd's form: bytes, or with K, M, G, T; at least 1M.
	MemoryMax string `json:"memoryMax,omitempty"`
	// CPUQuota in per cent of one core, with the sign: "150%".
	CPUQuota string `json:"cpuQuota,omitempty"`
	// TasksMax is the number of processes and threads.
	TasksMax int `json:"tasksMax,omitempty"`
}

// Hold is a pause of one service: drift is reported, not healed.
type Hold struct {
	// Owner of the hold, user@host.
	Owner string `json:"owner,omitempty"`
	// Reason says why, for people.
	Reason string `json:"reason,omitempty"`
	// Until is when it lapses by itself; zero with Forever only.
	Until *time.Time `json:"until,omitempty"`
	// Forever is a hold without end.
	Forever bool `json:"forever,omitempty"`
}
