package env

import (
	"context"
	"fmt"
	"io"
	"os"
)

// insideVariable is set for a test binary that runs on a test host, where it may do as it
// likes with systemd, Nix and Caddy.
const insideVariable = "DEPLOYER_INSIDE_TESTHOST"

// insidePath is where RunInside puts the binary on the host.
const insidePath = "/root/inside.test"

// Inside reports whether this test binary runs on a test host. Specs that touch a real
// systemd, Nix or Caddy register only if it does:
//
//	var _ = Describe("on a real host", func() {
//		if !env.Inside() {
//			return
//		}
//		…
//	})
func Inside() bool { return os.Getenv(insideVariable) == "1" }

// InsideOptions say what of the test binary runs on the host.
type InsideOptions struct {
	// Args are flags of the test binary, such as -test.run=^TestUnits$ and -ginkgo.v.
	Args []string
	// Env adds NAME=value entries.
	Env []string
	// Output gets what the binary prints; os.Stdout when left out.
	Output io.Writer
}

// RunInside copies this test binary to the host and runs it there as root. A test that
// fails there is an error here. The outer test looks like this:
//
//	func TestUnitsOnTestHost(t *testing.T) {
//		if env.Inside() {
//			t.Skip("this is the outer half")
//		}
//		env.Require(t)
//		lab, err := env.NewLab(ctx, env.LabOptions{})
//		…
//		host, err := lab.Up(ctx, "biz", env.HostOptions{Enable: []string{}})
//		…
//		err = env.RunInside(ctx, host, env.InsideOptions{Args: []string{"-test.run=^TestUnits$"}})
//	}
func RunInside(ctx context.Context, host *Host, o InsideOptions) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this test binary: %w", err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		return fmt.Errorf("reading this test binary: %w", err)
	}
	if err := host.Write(ctx, insidePath, data, 0o755); err != nil {
		return err
	}
	if o.Output == nil {
		o.Output = os.Stdout
	}
	return host.Run(ctx, Command{
		Args:   append([]string{insidePath}, o.Args...),
		Env:    append([]string{insideVariable + "=1"}, o.Env...),
		Stdout: o.Output,
		Stderr: o.Output,
	})
}
