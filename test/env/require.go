package env

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// TB is the part of testing.TB (and of GinkgoT()) that Require needs.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Require skips the test with one sentence when this machine cannot run a test host, and fails
// it instead when DEPLOYER_REQUIRE_HOST=1, as in CI, where a skip would hide everything.
func Require(t TB) {
	t.Helper()
	if os.Getenv("DEPLOYER_NO_HOST") == "1" {
		t.Skipf("no test hosts are wanted: DEPLOYER_NO_HOST=1")
	}
	err := Ready()
	if err == nil {
		return
	}
	if os.Getenv("DEPLOYER_REQUIRE_HOST") == "1" {
		t.Fatalf("a test host is required and cannot run: %v", err)
	}
	t.Skipf("needs a test host: %v", err)
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
