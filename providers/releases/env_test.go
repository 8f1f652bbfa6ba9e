package releases

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// odd are values that quoting gets wrong.
var odd = []string{
	"", " ", "\t", " two  words ", `back\slash`, `\`, `\\`, `ends in \`, `"`, `'`, `"quoted"`, `'quoted'`, `it's`,
	"$HOME", "${HOME}", "$$", "$(id)", "`id`", "100%", "%n %i %%", "#not a comment", ";nor this", "a=b", "=",
	"~", "*", "a\\nb", `\x41`, `\"`, `\$`, "é ü 漢 🚀", strings.Repeat("long ", 5000),
}

// A shell reads NAME="…" with these escapes as systemd does.
func TestEnvReadsBackExactly(t *testing.T) {
	for _, value := range odd {
		data, err := renderEnv(map[string]string{"VALUE": value, "AFTER": "after"})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "env")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("sh", "-c", `. "$1"; printf '%s|%s' "$VALUE" "$AFTER"`, "sh", file).Output()
		if err != nil || string(out) != value+"|after" {
			t.Errorf("%q reads back as %q (%v)", value, out, err)
		}
	}
}

func TestEnvIsSortedAndEmptyWithoutVariables(t *testing.T) {
	for want, env := range map[string]map[string]string{
		"":                            nil,
		"A=\"1\"\nB=\"\"\n_c=\"3\"\n": {"_c": "3", "A": "1", "B": ""},
	} {
		if got, err := renderEnv(env); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
}

func TestEnvRefusesWhatSystemdWouldDrop(t *testing.T) {
	for name, value := range map[string]string{
		"NEWLINE": "a\nB=2", "RETURN": "a\rb", "NUL": "a\x00b", "ESCAPE": "\x1b[0m", "DELETE": "\x7f", "LATIN1": "\xff",
		"": "x", "1A": "x", "A-B": "x", "A B": "x", "A=B": "x", "A\nB": "x", "Ä": "x",
	} {
		got, err := renderEnv(map[string]string{name: value})
		if err == nil {
			t.Errorf("%q=%q gives %q", name, value, got)
		}
	}
}
