package releases

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deployer/test/env"
)

// TestOnTestHost runs what needs a machine of its own: a real systemd that reads what
// renderEnv writes, and strace.
func TestOnTestHost(t *testing.T) {
	if env.Inside() {
		t.Skip("this is the outer half")
	}
	env.Require(t)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	lab, err := env.NewLab(ctx, env.LabOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	}()
	host, err := lab.Up(ctx, "laptop", env.HostOptions{Kind: env.Laptop})
	if err != nil {
		t.Fatal(err)
	}
	if err := env.RunInside(ctx, host, env.InsideOptions{Args: []string{"-test.run=^(TestEnvInSystemd|TestKilledAtEverySyscall)$", "-test.v"}}); err != nil {
		t.Fatal(err)
	}
}

func TestEnvInSystemd(t *testing.T) {
	if !env.Inside() {
		t.Skip("runs inside a test host, started by TestOnTestHost")
	}
	want := map[string]string{}
	for i, value := range odd {
		want[fmt.Sprintf("VALUE_%d", i)] = value
	}
	data, err := renderEnv(want)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-run", "--quiet", "--wait", "--pipe", "-p", "EnvironmentFile="+file, "env", "-0").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for entry := range strings.SplitSeq(string(out), "\x00") {
		name, value, _ := strings.Cut(entry, "=")
		got[name] = value
	}
	for name, value := range want {
		if has, ok := got[name]; !ok || has != value {
			t.Errorf("%s: %q reads back as %q (there: %v)", name, value, has, ok)
		}
	}
}
