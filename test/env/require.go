package env

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// TB is the part of testing.TB (and of GinkgoT()) that says what becomes of a test.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Require ends a test that needs a test host where none can run: it is skipped with one
// sentence, or fails when DEPLOYER_REQUIRE_HOST=1, as in CI, where a skip would hide everything.
func Require(t TB) {
	t.Helper()
	if os.Getenv("DEPLOYER_NO_HOST") == "1" {
		t.Skipf("no test hosts are wanted: DEPLOYER_NO_HOST=1")
	}
	if err := Ready(); err != nil {
		Lacks(t, "a test host, which cannot run here: %v", err)
	}
}

// Lacks ends a test that cannot do without something that this machine has not: it is skipped,
// or fails when DEPLOYER_REQUIRE_HOST=1. The text says what is needed and the way out.
func Lacks(t TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("DEPLOYER_REQUIRE_HOST") == "1" {
		t.Fatalf("needs "+format, args...)
	}
	t.Skipf("needs "+format, args...)
}

// Tool is the path of one of the pinned tools. Without it the test ends as in Lacks.
func Tool(t TB, name string) string {
	t.Helper()
	dir, err := ToolsDir()
	path := filepath.Join(dir, name)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		Lacks(t, "%s: %v", name, err)
	}
	return path
}

// Ready says why this machine cannot run a test host, with the way out, or nil.
func Ready() error {
	if os.Geteuid() != 0 {
		return errors.New("it needs root: run as root")
	}
	var missing []string
	for _, tool := range []string{"systemd-nspawn", "ip", "nsenter", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing %s: run hack/setup", strings.Join(missing, ", "))
	}
	if _, err := cgroupRoot(); err != nil {
		return err
	}
	if _, err := ToolsDir(); err != nil {
		return err
	}
	_, err := Image()
	return err
}
