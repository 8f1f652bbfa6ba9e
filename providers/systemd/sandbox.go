package systemd

import (
	"fmt"
	"slices"
	"strings"

	v1 "deployer/api/v1"
)

// directive is one line of a unit file.
type directive struct{ key, value string }

// standardSandbox scores about 1.2 in `systemd-analyze security`: JITs and programs that
// call other hosts work. What protectSystem, protectHome, privateTmp and the user decide
// is not here, nor are system calls, address families and capabilities, which `allow` extends.
func standardSandbox() []directive {
	return []directive{
		{"NoNewPrivileges", "yes"},
		{"RestrictSUIDSGID", "yes"},
		{"LockPersonality", "yes"},
		{"RestrictRealtime", "yes"},
		{"RestrictNamespaces", "yes"},
		{"SystemCallArchitectures", "native"},
		{"UMask", "0077"},
		{"KeyringMode", "private"},
		{"RemoveIPC", "yes"},
		{"PrivateDevices", "yes"},
		{"DevicePolicy", "closed"},
		{"PrivateUsers", "yes"},
		{"PrivateIPC", "yes"},
		{"PrivateMounts", "yes"},
		{"ProtectKernelTunables", "yes"},
		{"ProtectKernelModules", "yes"},
		{"ProtectKernelLogs", "yes"},
		{"ProtectControlGroups", "yes"},
		{"ProtectClock", "yes"},
		{"ProtectHostname", "yes"},
		{"ProtectProc", "invisible"},
		{"ProcSubset", "pid"},
	}
}

// strictSandbox comes on top: no memory that is both written and run, no other host.
func strictSandbox() []directive {
	return []directive{
		{"MemoryDenyWriteExecute", "yes"},
		{"IPAddressDeny", "any"},
		{"IPAddressAllow", "localhost"},
	}
}

// permission is what one `allow` word gives back.
type permission struct {
	drop         []string    // directives that are left out
	set          []directive // directives that get another value
	families     []string    // address families that come on top
	syscalls     []string    // groups of system calls that come on top
	keep         []string    // groups that are not taken away
	capabilities []string    // kept in the bounding set, and given to the process
}

// permissions is the table behind v1.AllowWords. A capability works on the host only
// outside a user namespace, so PrivateUsers goes with it.
func permissions() map[string]permission {
	return map[string]permission{
		"jit":            {drop: []string{"MemoryDenyWriteExecute"}},
		"network":        {drop: []string{"IPAddressDeny", "IPAddressAllow"}},
		"netlink":        {families: []string{"AF_NETLINK"}},
		"raw-network":    {drop: []string{"PrivateUsers"}, families: []string{"AF_NETLINK", "AF_PACKET"}, capabilities: []string{"CAP_NET_RAW"}},
		"low-ports":      {drop: []string{"PrivateUsers"}, capabilities: []string{"CAP_NET_BIND_SERVICE"}},
		"devices":        {drop: []string{"PrivateDevices", "DevicePolicy"}},
		"namespaces":     {drop: []string{"RestrictNamespaces"}, syscalls: []string{"@mount"}},
		"users":          {drop: []string{"PrivateUsers"}},
		"processes":      {drop: []string{"ProtectProc", "ProcSubset"}},
		"ipc":            {drop: []string{"PrivateIPC", "RemoveIPC"}},
		"realtime":       {drop: []string{"RestrictRealtime"}, keep: []string{"@resources"}},
		"resources":      {keep: []string{"@resources"}},
		"privileged":     {drop: []string{"CapabilityBoundingSet"}, keep: []string{"@privileged"}},
		"setuid":         {drop: []string{"NoNewPrivileges", "RestrictSUIDSGID", "CapabilityBoundingSet", "PrivateUsers"}},
		"debug":          {syscalls: []string{"@debug"}},
		"kernel":         {drop: []string{"ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs"}},
		"control-groups": {drop: []string{"ProtectControlGroups"}},
		"clock":          {drop: []string{"ProtectClock"}, syscalls: []string{"@clock"}},
		"hostname":       {drop: []string{"ProtectHostname"}},
		"keyring":        {drop: []string{"KeyringMode"}},
		"mounts":         {drop: []string{"PrivateMounts"}, syscalls: []string{"@mount"}},
		"foreign-arch":   {drop: []string{"SystemCallArchitectures", "LockPersonality"}},
		"shared-files":   {set: []directive{{"UMask", "0022"}}},
	}
}

// sandbox gives the lines of the release's hardening, in a fixed order.
func sandbox(h v1.Hardening) ([]directive, error) {
	given, err := merge(h.Allow)
	if err != nil {
		return nil, err
	}
	out := mountLines(h)
	switch h.Profile {
	case v1.ProfileNone:
		return out, nil
	case v1.ProfileStandard:
		out = append(out, standardSandbox()...)
	case v1.ProfileStrict:
		out = append(out, standardSandbox()...)
		out = append(out, strictSandbox()...)
	default:
		return nil, fmt.Errorf("hardening profile %q is not known", h.Profile)
	}
	return given.apply(append(out, filterLines(given)...)), nil
}

// apply takes the directives away, and changes those, that the permission says.
func (p permission) apply(lines []directive) []directive {
	lines = slices.DeleteFunc(lines, func(d directive) bool { return slices.Contains(p.drop, d.key) })
	for i, l := range lines {
		for _, s := range p.set {
			if s.key == l.key {
				lines[i] = s
			}
		}
	}
	return lines
}

// mountLines are the settings that the manifest has fields for; every profile has them.
func mountLines(h v1.Hardening) []directive {
	var out []directive
	dynamic := h.DynamicUser != nil && *h.DynamicUser
	if h.ProtectSystem != "" {
		out = append(out, directive{"ProtectSystem", toggle(h.ProtectSystem)})
	}
	if h.ProtectHome != "" {
		out = append(out, directive{"ProtectHome", toggle(h.ProtectHome)})
	}
	if h.PrivateTmp != nil {
		out = append(out, directive{"PrivateTmp", yesNo(*h.PrivateTmp)})
	}
	if !dynamic {
		return out
	}
	// systemd raises these for a dynamic user whatever the text says; the text says so
	// too, for it is compared with what is loaded.
	for i, d := range out {
		switch {
		case d.key == "ProtectSystem":
			out[i].value = "strict"
		case d.key == "ProtectHome" && d.value == "no":
			out[i].value = "read-only"
		case d.key == "PrivateTmp":
			out[i].value = "yes"
		}
	}
	return out
}

// filterLines are the lists that `allow` extends. In SystemCallFilter a later line adds to
// the earlier ones or, with '~', takes away from them.
func filterLines(given permission) []directive {
	families := append([]string{"AF_INET", "AF_INET6", "AF_UNIX"}, given.families...)
	out := []directive{
		{"CapabilityBoundingSet", strings.Join(given.capabilities, " ")},
		{"AmbientCapabilities", strings.Join(given.capabilities, " ")},
		{"RestrictAddressFamilies", strings.Join(families, " ")},
		{"SystemCallFilter", "@system-service"},
	}
	for _, group := range []string{"@privileged", "@resources"} {
		if !slices.Contains(given.keep, group) {
			out = append(out, directive{"SystemCallFilter", "~" + group})
		} else {
			out = append(out, directive{"SystemCallFilter", group})
		}
	}
	if len(given.syscalls) > 0 {
		out = append(out, directive{"SystemCallFilter", strings.Join(given.syscalls, " ")})
	}
	return out
}

// merge adds up the permissions of the words.
func merge(words []string) (permission, error) {
	var sum permission
	table := permissions()
	for _, w := range slices.Compact(slices.Sorted(slices.Values(words))) {
		p, ok := table[w]
		if !ok {
			return sum, fmt.Errorf("hardening.allow word %q is not known", w)
		}
		sum.drop = union(sum.drop, p.drop)
		sum.set = append(sum.set, p.set...)
		sum.families = union(sum.families, p.families)
		sum.syscalls = union(sum.syscalls, p.syscalls)
		sum.keep = union(sum.keep, p.keep)
		sum.capabilities = union(sum.capabilities, p.capabilities)
	}
	return sum, nil
}

// union keeps the order in which things were first named.
func union(a, b []string) []string {
	for _, v := range b {
		if !slices.Contains(a, v) {
			a = append(a, v)
		}
	}
	return a
}

func toggle(t v1.Toggle) string {
	switch t {
	case "true":
		return "yes"
	case "false":
		return "no"
	}
	return string(t)
}

func yesNo(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }
