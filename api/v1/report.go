package v1

import "strings"

// ReportPrefix is what the keys of all reports begin with.
const ReportPrefix = "status/"

// Reported is the type of the condition that tells whether this host's report is in the
// store.
const Reported = "Reported"

// StoreVerified is the type of the condition that tells whether the store paths in force have
// the content that was registered.
const StoreVerified = "StoreVerified"

// ReportKey is where a host's report lies in the store.
func ReportKey(host string) string { return ReportPrefix + host + ".json" }

// HostOfReport is the host whose report has that key; empty for a key of another kind.
func HostOfReport(key string) string {
	host, isReport := strings.CutPrefix(key, ReportPrefix)
	host, isJSON := strings.CutSuffix(host, ".json")
	if !isReport || !isJSON || strings.Contains(host, "/") {
		return ""
	}
	return host
}
