package v1

import (
	"path"
	"strings"
)

// Each function here says what is wrong with a value, as half a sentence, or "".

const nameRule = "write 1 to 40 of a-z, 0-9 and -, beginning and ending with a letter or digit"

// badServiceName: the name becomes a unit, a directory, a user and a route id.
func badServiceName(s string) string {
	switch {
	case len(s) > 40 || !isLabel(s):
		return nameRule
	case strings.HasSuffix(s, "-standby"):
		return "must not end in -standby, the name of the second slot"
	}
	return ""
}

// IsServiceName reports whether a manifest could name a service so. What has another name
// on a host is not ours.
func IsServiceName(s string) bool { return badServiceName(s) == "" }

// isLabel: [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if !isLower(s[i]) && !isDigit(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

// badHostName is the rule for domains and hosts alike.
func badHostName(s string) string {
	switch {
	case s != strings.ToLower(s) && badHostName(strings.ToLower(s)) == "":
		return "write it in lower case: " + strings.ToLower(s)
	case strings.Contains(s, "://"):
		return "write the host name only, without a scheme"
	case strings.Contains(s, "*"):
		return "wildcards are not supported; list the names in aliases"
	case strings.Contains(s, "/"):
		return "write the host name only, without a path"
	case strings.Contains(s, ":"):
		return "write the host name only, without a port"
	case strings.HasSuffix(s, "."):
		return "leave out the dot at the end"
	case !isASCII(s):
		return "write it in its ASCII form (xn--…)"
	case len(s) > 253:
		return "is longer than 253 characters"
	}
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if !isLabel(l) {
			return "is not a host name: labels of a-z, 0-9 and -, with dots between"
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "is not a host name: it ends in a number, as an IP address does"
	}
	return ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

const (
	nixStore    = "/nix/store/"
	nixAlphabet = "0123456789abcdfghijklmnpqrsvwxyz"
)

// badStorePath follows Nix's own checkName and path grammar, for an output path.
func badStorePath(s string) string {
	base, ok := strings.CutPrefix(s, nixStore)
	switch {
	case !ok:
		return "is not below " + nixStore
	case strings.Contains(base, "/"):
		return "names a file in a store path; name the store path itself"
	case len(base) < 34 || base[32] != '-' || strings.Trim(base[:32], nixAlphabet) != "":
		return "is not a store path: " + nixStore + "<32 characters of Nix base32>-<name>"
	}
	switch name := base[33:]; {
	case len(name) > 211:
		return "has a name longer than 211 characters"
	case !consistsOf(name, "+-._?="):
		return "has characters that Nix refuses in names; it takes letters, digits and +-._?="
	case name == "." || name == ".." || strings.HasPrefix(name, ".-") || strings.HasPrefix(name, "..-"):
		return "has a name that Nix refuses"
	case strings.HasSuffix(name, ".drv"):
		return "is a derivation; name its output (nix-store --realise prints it)"
	}
	return ""
}

// badNarHash takes the form of narinfo files and of nix-store --query --hash.
func badNarHash(s string) string {
	hash, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(hash) != 52 || strings.Trim(hash, nixAlphabet) != "" {
		return "is not sha256: and 52 characters of Nix base32, as nix-store --query --hash prints it"
	}
	return ""
}

// badUser is systemd's strict rule, so the unit never means a numeric or odd account.
func badUser(s string) string {
	if len(s) > 31 || !consistsOf(s, "_-") || isDigit(s[0]) || s[0] == '-' {
		return "is not a user or group name: 1 to 31 letters, digits, _ and -, beginning with a letter or _"
	}
	return ""
}

// badPathPrefix is for http.path. A path that needs no escape and no clean-up means the
// same to Caddy, to the program and to us; braces would be Caddy's placeholders.
func badPathPrefix(s string) string {
	switch {
	case !strings.HasPrefix(s, "/"):
		return "does not begin with /"
	case len(s) > 1024:
		return "is longer than 1024 characters"
	case !consistsOf(s, "/-._~!&'()+,;=:@"):
		return "has characters other than letters, digits and /-._~!&'()+,;=:@ (it is a plain prefix: no *, ? or escapes)"
	case path.Clean(s) != s:
		return "is not in its shortest form; write " + path.Clean(s)
	}
	return ""
}

// badBelow checks a relative path of plain components: no .., no globs, no specifiers.
func badBelow(s string) string {
	if len(s) > 255 || !consistsOf(s, "/-._@+") || path.Clean(s) != s || s[0] == '/' {
		return "is not a plain relative path of letters, digits and -._@+ in its shortest form"
	}
	for part := range strings.SplitSeq(s, "/") {
		if part[0] == '.' || part[0] == '-' {
			return "has a part that begins with . or -"
		}
	}
	return ""
}

// badEnvName is POSIX's rule, which systemd's env files share.
func badEnvName(s string) string {
	if len(s) > 255 || !consistsOf(s, "_") || isDigit(s[0]) {
		return "is not a variable name: letters, digits and _, not beginning with a digit"
	}
	return ""
}

// badUnitName takes a whole unit name, as After= and Requires= do.
func badUnitName(s string) string {
	dot := strings.LastIndexByte(s, '.')
	if dot < 1 || len(s) > 255 || !consistsOf(s[:dot], `:-_.\@`) || strings.HasSuffix(s[:dot], "@") {
		return "is not a unit name such as network-online.target or postgresql.service"
	}
	switch s[dot+1:] {
	case "service", "socket", "target", "mount", "automount", "timer", "path", "device", "slice", "swap", "scope":
		return ""
	}
	return "is not a unit name: " + quote(s[dot:]) + " is no kind of unit"
}
