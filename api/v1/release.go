package v1

// Release is what of a service needs a new process when it changes. Domain, aliases,
// path, hosts, soak and drain are not in it: they apply in place.
//
// A Release is made from what people wrote (Service.Release), and its hash is the
// Revision; defaults are added afterwards (Release.Default). So a new version of this
// program with other defaults redeploys nothing, and a staged release keeps the
// defaults it was staged with.
type Release struct {
	// Service is the name.
	Service string `json:"service"`
	// StorePath is the root of the closure.
	StorePath string `json:"storePath"`
	// NarHash as in Artifact.
	NarHash string `json:"narHash,omitempty"`
	// The rest is as in Service; HealthType is empty for the one that follows from the
	// rest, and the port is that of http.
	Exec           Exec              `json:"exec,omitzero"`
	Env            map[string]string `json:"env,omitempty"`
	EnvFile        string            `json:"envFile,omitempty"`
	InternalPort   int               `json:"internalPort,omitempty"`
	HealthType     HealthType        `json:"healthType,omitempty"`
	Systemd        Systemd           `json:"systemd,omitzero"`
	Hardening      Hardening         `json:"hardening,omitzero"`
	Resources      Resources         `json:"resources,omitzero"`
	StateDirectory string            `json:"stateDirectory,omitempty"`
	Attempt        int               `json:"attempt,omitempty"`
}

// HealthType is the way an instance is judged.
type HealthType string

// The health types. None means: active without a restart for the soak time.
const (
	HealthHTTP   HealthType = "http"
	HealthTCP    HealthType = "tcp"
	HealthExec   HealthType = "exec"
	HealthNotify HealthType = "notify"
	HealthNone   HealthType = "none"
)

// Slot is one of the two places in which a service can run.
type Slot string

// Primary is <service>.service; Standby is <service>-standby.service and exists only
// while a rollout overlaps.
const (
	Primary Slot = "primary"
	Standby Slot = "standby"
)

// UnitName is the systemd unit of a service's slot.
func UnitName(service string, slot Slot) string {
	if slot == Standby {
		return service + "-standby.service"
	}
	return service + ".service"
}

// Instance is a release together with the secrets it was staged with: the unit of
// starting, judging and going back to. Its String names the release directory.
type Instance struct {
	Revision string `json:"revision"`
	// Secrets is a keyed fingerprint of the secrets file (an HMAC with a key that never
	// leaves the host), or NoSecrets.
	Secrets string `json:"secrets,omitempty"`
}

// NoSecrets is the fingerprint of a service without a secrets file.
const NoSecrets = "none"

// String is <revision>-<secrets>, the name of the release directory.
func (i Instance) String() string { return i.Revision + "-" + i.Secrets }
