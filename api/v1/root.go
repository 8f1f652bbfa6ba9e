package v1

import "strings"

// RootName is the name of the GC root of a service's revision. A revision has no dash, so
// the name can be taken apart again.
func RootName(service, revision string) string { return service + "-" + revision }

// ParseRootName takes a root's name apart; false for a name that RootName never gives:
// somebody else's root in our directory.
func ParseRootName(name string) (service, revision string, ok bool) {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return "", "", false
	}
	service, revision = name[:i], name[i+1:]
	return service, revision, IsServiceName(service) && isRevision(revision)
}

// isRevision: the hash version, and base32hex. Of other versions, too: a newer daemon
// cleans up after an older one.
func isRevision(s string) bool {
	const digits = "0123456789abcdefghijklmnopqrstuv"
	return len(s) == revisionLength && isDigit(s[0]) && strings.Trim(s, digits) == ""
}
