package systemd_test

import (
	"testing"
	"time"

	"deployer/test/env"
)

// TestOnTestHost runs this binary's specs again on a test host, where those that need a
// real systemd register too.
func TestOnTestHost(t *testing.T) {
	if env.Inside() {
		t.Skip("this is the outer half: it boots the test host")
	}
	env.Require(t)
	lab, err := env.NewLab(t.Context(), env.LabOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	}()
	start := time.Now()
	host, err := lab.Up(t.Context(), "biz", env.HostOptions{Enable: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a test host was up after %s", time.Since(start).Round(time.Millisecond))
	args := []string{"-test.run=^TestSystemd$", "-ginkgo.label-filter=host"}
	if testing.Verbose() {
		args = append(args, "-ginkgo.v")
	}
	if err := env.RunInside(t.Context(), host, env.InsideOptions{Args: args}); err != nil {
		t.Fatal(err)
	}
}
