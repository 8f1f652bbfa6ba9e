package systemd

import (
	"fmt"
	"strconv"
	"strings"

	sdbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	v1 "deployer/api/v1"
)

// Property is one setting of a transient unit, typed as D-Bus wants it.
type Property = sdbus.Property

func property(name string, value any) Property {
	return Property{Name: name, Value: dbus.MakeVariant(value)}
}

// The structures that some properties have.
type (
	wordList struct {
		Allow bool
		Words []string
	}
	optionalFile struct {
		Path   string
		Ignore bool
	}
	ipPrefix struct {
		Family int32
		Bytes  []byte
		Bits   uint32
	}
	command struct {
		Path  string
		Argv  []string
		Flags []string
	}
)

// transient writes directives of a unit's text as properties: a transient unit has no text.
// A directive that it does not know is an error, for a sandbox must not lose a wall.
func transient(lines []directive) ([]Property, error) {
	var out []Property
	for _, l := range lines {
		p, err := transientProperty(l)
		if err != nil {
			return nil, fmt.Errorf("%s=%s: %w", l.key, l.value, err)
		}
		out = append(out, p)
	}
	return out, nil
}

func transientProperty(l directive) (Property, error) {
	words := strings.Fields(unescape(l.value))
	switch l.key {
	case "EnvironmentFile":
		return property("EnvironmentFiles", []optionalFile{{Path: unescape(l.value)}}), nil
	case "StateDirectory", "SystemCallArchitectures":
		return property(l.key, words), nil
	case "RestrictAddressFamilies":
		return property(l.key, wordList{true, words}), nil
	case "SystemCallFilter":
		denied, deny := strings.CutPrefix(l.value, "~")
		return property(l.key, wordList{!deny, strings.Fields(denied)}), nil
	case "CapabilityBoundingSet", "AmbientCapabilities":
		mask, err := capabilities(words)
		return property(l.key, mask), err
	case "RestrictNamespaces":
		// The namespaces that are allowed.
		return property(l.key, uint64(0)), only(l.value, "yes")
	case "IPAddressDeny":
		return property(l.key, []ipPrefix{{unix.AF_INET, make([]byte, 4), 0}, {unix.AF_INET6, make([]byte, 16), 0}}), only(l.value, "any")
	case "IPAddressAllow":
		return property(l.key, []ipPrefix{{unix.AF_INET, []byte{127, 0, 0, 0}, 8}, {unix.AF_INET6, append(make([]byte, 15), 1), 128}}), only(l.value, "localhost")
	case "UMask":
		n, err := strconv.ParseUint(l.value, 8, 32)
		return property(l.key, uint32(n)), err
	case "MemoryMax":
		return property(l.key, v1.Resources{MemoryMax: l.value}.MemoryBytes()), nil
	case "CPUQuota":
		n, err := strconv.ParseUint(strings.TrimSuffix(l.value, "%"), 10, 32)
		const perCent = 10_000 // microseconds of a second
		return property("CPUQuotaPerSecUSec", n*perCent), err
	case "TasksMax":
		n, err := strconv.ParseUint(l.value, 10, 64)
		return property(l.key, n), err
	}
	return plainProperty(l)
}

// plainProperty are those whose type is that of a word.
func plainProperty(l directive) (Property, error) {
	switch l.key {
	case "User", "Group", "SyslogIdentifier", "ProtectSystem", "ProtectHome", "KeyringMode", "DevicePolicy", "ProtectProc", "ProcSubset":
		return property(l.key, unescape(l.value)), nil
	case "DynamicUser", "PrivateTmp", "NoNewPrivileges", "RestrictSUIDSGID", "LockPersonality", "RestrictRealtime",
		"RemoveIPC", "PrivateDevices", "PrivateUsers", "PrivateIPC", "PrivateMounts", "ProtectKernelTunables",
		"ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectClock", "ProtectHostname", "MemoryDenyWriteExecute":
		if l.value != "yes" && l.value != "no" {
			return Property{}, fmt.Errorf("neither yes nor no")
		}
		return property(l.key, l.value == "yes"), nil
	}
	return Property{}, fmt.Errorf("it has no form for a transient unit")
}

func only(value, known string) error {
	if value != known {
		return fmt.Errorf("its value is not %s", known)
	}
	return nil
}

func capabilities(names []string) (mask uint64, err error) {
	known := map[string]int{"CAP_NET_RAW": unix.CAP_NET_RAW, "CAP_NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE}
	for _, n := range names {
		bit, ok := known[n]
		if !ok {
			return 0, fmt.Errorf("the capability %s is not known", n)
		}
		mask |= 1 << bit
	}
	return mask, nil
}
