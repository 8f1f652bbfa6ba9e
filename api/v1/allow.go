package v1

// AllowWord is one word of hardening.allow: a need of the program, not a systemd setting.
type AllowWord struct {
	Word string `json:"word"`
	// Meaning is what the program may do with it.
	Meaning string `json:"meaning"`
	// Lifts names the settings of the profile that give way. providers/systemd turns the
	// word into directives; this is the contract, and the text for people.
	Lifts string `json:"lifts"`
}

// AllowWords lists the words of hardening.allow. Words only ever widen what the profile
// left, and a word that lifts nothing in the chosen profile does no harm.
func AllowWords() []AllowWord {
	return []AllowWord{
		{"jit", "make memory executable while it runs: JavaScript, Java, .NET, LuaJIT (strict only: standard allows it)", "MemoryDenyWriteExecute"},
		{"network", "talk to any address, not to this host alone (strict only: standard allows it)", "IPAddressDeny, IPAddressAllow"},
		{"netlink", "ask the kernel for interfaces and routes", "RestrictAddressFamilies: adds AF_NETLINK"},
		{"raw-network", "send raw packets: ping, packet capture", "RestrictAddressFamilies: adds AF_NETLINK and AF_PACKET; CapabilityBoundingSet and AmbientCapabilities: CAP_NET_RAW; PrivateUsers"},
		{"low-ports", "listen on ports below 1024", "CapabilityBoundingSet and AmbientCapabilities: CAP_NET_BIND_SERVICE; PrivateUsers"},
		{"devices", "use devices: GPU, serial port, USB", "PrivateDevices, DevicePolicy"},
		{"namespaces", "make namespaces: browsers and other programs with a sandbox of their own", "RestrictNamespaces; SystemCallFilter: adds @mount"},
		{"users", "see the host's users and groups by number", "PrivateUsers"},
		{"processes", "see other processes, and all of /proc", "ProtectProc, ProcSubset"},
		{"ipc", "share System V and POSIX IPC with other programs", "PrivateIPC, RemoveIPC"},
		{"realtime", "use real-time scheduling", "RestrictRealtime; SystemCallFilter: @resources is not taken away"},
		{"resources", "set its own priority, CPU affinity and limits", "SystemCallFilter: @resources is not taken away"},
		{"privileged", "make privileged system calls; useful to a service that runs as root", "SystemCallFilter: @privileged is not taken away; CapabilityBoundingSet"},
		{"setuid", "run set-user-ID programs such as sudo, and make such files", "NoNewPrivileges, RestrictSUIDSGID, CapabilityBoundingSet, PrivateUsers"},
		{"debug", "trace and debug its own processes", "SystemCallFilter: adds @debug"},
		{"kernel", "change kernel settings in /proc/sys and /sys, read the kernel log, load modules", "ProtectKernelTunables, ProtectKernelModules, ProtectKernelLogs"},
		{"control-groups", "manage control groups", "ProtectControlGroups"},
		{"clock", "set the clock", "ProtectClock; SystemCallFilter: adds @clock"},
		{"hostname", "set the host's name", "ProtectHostname"},
		{"keyring", "use the kernel keyring that its user shares", "KeyringMode"},
		{"mounts", "mount file systems, seen by the host", "PrivateMounts; SystemCallFilter: adds @mount"},
		{"foreign-arch", "run programs of another architecture, and change its personality", "SystemCallArchitectures, LockPersonality"},
		{"shared-files", "make files that others may read", "UMask: 0022"},
	}
}

func allowNames() []string {
	words := AllowWords()
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w.Word
	}
	return out
}
