package v1

import "strings"

// reservedEnv says why the manifest may not set a variable, or "". Values of env override
// what systemd itself puts into the process, so a name that carries systemd's protocol
// with the service would break readiness, the watchdog or credentials. HOME, PATH, TZ and
// the like are the program's own business.
func reservedEnv(name, value string) string {
	switch name {
	case "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "FDSTORE",
		"LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES",
		"MAINPID", "MAINPIDFDID", "MANAGERPID", "MANAGERPIDFDID", "SYSTEMD_EXEC_PID", "PIDFILE",
		"INVOCATION_ID", "JOURNAL_STREAM", "LOG_NAMESPACE",
		"CREDENTIALS_DIRECTORY", "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CACHE_DIRECTORY",
		"LOGS_DIRECTORY", "CONFIGURATION_DIRECTORY",
		"SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS",
		"MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE":
		return "systemd sets this variable"
	}
	if strings.HasPrefix(name, "LD_") {
		return foreignLibraries(value)
	}
	return ""
}

// foreignLibraries: a unit may have helper commands that run as root with the same
// environment; a loader path that the service itself can write to would hand it root.
func foreignLibraries(value string) string {
	for _, part := range strings.FieldsFunc(value, func(r rune) bool { return r == ':' || r == ' ' || r == ';' }) {
		if !strings.HasPrefix(part, nixStore) || strings.Contains(part, "..") {
			return "loader variables may only name paths below " + nixStore
		}
	}
	return ""
}
