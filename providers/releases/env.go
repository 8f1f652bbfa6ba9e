package releases

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

var envNames = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// escapes are the characters that keep a meaning between double quotes in an
// EnvironmentFile= (systemd's SHELL_NEED_ESCAPE). '$' is expanded by nobody there, but
// older versions unescape it all the same.
var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`")

// renderEnv writes variables so that systemd reads back exactly these values: sorted, in
// double quotes. It refuses what systemd would drop without a word.
func renderEnv(env map[string]string) ([]byte, error) {
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !envNames.MatchString(name) {
			return nil, fmt.Errorf("env.%q: not the name of a variable", name)
		}
		if bad := badValue(env[name]); bad != "" {
			return nil, fmt.Errorf("env.%s: its value %s", name, bad)
		}
		fmt.Fprintf(&out, "%s=\"%s\"\n", name, escapes.Replace(env[name]))
	}
	return out.Bytes(), nil
}

func badValue(s string) string {
	if !utf8.ValidString(s) {
		return "is not UTF-8"
	}
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r':
			return "holds a line break"
		case r < ' ' && r != '\t' || r == 0x7f:
			return fmt.Sprintf("holds the control character %U", r)
		}
	}
	return ""
}
