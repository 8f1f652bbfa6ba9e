package main

import (
	"encoding/json"
	"strconv"

	"github.com/invopop/jsonschema"

	v1 "deployer/api/v1"
)

// narrow adds to the schema of a field what its Go type cannot say.
type narrow func(*jsonschema.Schema)

// The grammars of api/v1's Validate, as far as a schema can say them: it must never
// refuse what Decode accepts, and rules between fields are Validate's alone. The test
// beside this file holds the two together.
const (
	namePattern      = `^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`
	storePathPattern = `^/nix/store/(placeholder|[0-9a-df-np-sv-z]{32}-[0-9A-Za-z+._?=-]+)$`
	labelPattern     = `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`
	// The last label is not a number, or it would be an IP address.
	hostPattern     = `^(` + labelPattern + `\.)*([a-z]([a-z0-9-]{0,61}[a-z0-9])?|[0-9]+([a-z]([a-z0-9-]*[a-z0-9])?|-[a-z0-9-]*[a-z0-9]))$`
	durationPattern = `^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$|^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`
)

// grammar lists what is added, by type of api/v1 and name of the field in JSON. Where
// Go's zero value means "left out", it is allowed here, too.
func grammar() map[string]map[string]narrow {
	return map[string]map[string]narrow{
		"Manifest": {
			"version":    only(v1.Version),
			"generation": atLeast(0),
			"previous":   like(`^(sha256:[0-9a-f]{64})?$`),
		},
		"Removal": {"name": like(namePattern), "generation": atLeast(0)},
		"Service": {"name": like(namePattern), "hosts": all(each(like(hostPattern)), notEmpty)},
		"Artifact": {
			"type":      only("", v1.ArtifactTypeNixClosure),
			"storePath": like(storePathPattern),
			"narHash":   like(`^(sha256:[0-9a-df-np-sv-z]{52})?$`),
		},
		"Exec": {"user": like(userPattern), "group": like(userPattern)},
		"HTTP": {
			"domain":       like(hostPattern),
			"aliases":      each(like(hostPattern)),
			"path":         like(`^(/.*)?$`),
			"internalPort": all(atLeast(1), atMost(65535), except(22, 80, 443, 2019)),
		},
		"Health":    {"path": like(`^(/.*)?$`), "status": all(atLeast(0), atMost(599)), "rise": all(atLeast(0), atMost(100))},
		"Deploy":    {"strategy": only("", v1.StrategyReplace, v1.StrategyOverlap), "attempt": atLeast(0)},
		"Systemd":   {"restart": only("", "always", "on-failure", "on-abnormal", "on-abort", "on-watchdog", "on-success", "no")},
		"Hardening": hardening(),
		"Resources": {
			"memoryMax": like(`^([1-9][0-9]*[KMGT]?)?$`),
			"cpuQuota":  like(`^([1-9][0-9]{0,5}%)?$`),
			"tasksMax":  atLeast(0),
		},
	}
}

const userPattern = `^([A-Za-z_][0-9A-Za-z_-]{0,30})?$`

func hardening() map[string]narrow {
	var allow []any
	for _, a := range v1.AllowWords() {
		allow = append(allow, a.Word)
	}
	return map[string]narrow{
		"profile":       only("", v1.ProfileStandard, v1.ProfileStrict, v1.ProfileNone),
		"protectSystem": only(true, false, "", "true", "false", "yes", "no", "on", "off", "full", "strict"),
		"protectHome":   only(true, false, "", "true", "false", "yes", "no", "on", "off", "read-only", "tmpfs"),
		"allow":         each(only(allow...)),
	}
}

func like(pattern string) narrow {
	return func(s *jsonschema.Schema) { s.Pattern = pattern }
}

func only(values ...any) narrow {
	return func(s *jsonschema.Schema) { s.Enum = values }
}

func except(values ...any) narrow {
	return func(s *jsonschema.Schema) { s.Not = &jsonschema.Schema{Enum: values} }
}

func atLeast(n int) narrow {
	return func(s *jsonschema.Schema) { s.Minimum = json.Number(strconv.Itoa(n)) }
}

func atMost(n int) narrow {
	return func(s *jsonschema.Schema) { s.Maximum = json.Number(strconv.Itoa(n)) }
}

func notEmpty(s *jsonschema.Schema) {
	one := uint64(1)
	s.MinItems = &one
}

func each(n narrow) narrow {
	return func(s *jsonschema.Schema) { n(s.Items) }
}

func all(narrows ...narrow) narrow {
	return func(s *jsonschema.Schema) {
		for _, n := range narrows {
			n(s)
		}
	}
}
