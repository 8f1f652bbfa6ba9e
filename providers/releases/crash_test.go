package releases

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/test/env"
)

// steps are what the daemon does to a prepared service: web serves release 1 from the
// primary, and release 2 is staged.
var steps = map[string]func(ctx context.Context, d *Directory) error{
	"stage":   func(ctx context.Context, d *Directory) error { return d.Stage(ctx, staging(3, 0)) },
	"restage": func(ctx context.Context, d *Directory) error { return d.Stage(ctx, staging(1, 30001)) },
	"point":   func(ctx context.Context, d *Directory) error { return d.Point(ctx, "web", v1.Primary, name(2)) },
	"unpoint": func(ctx context.Context, d *Directory) error { return d.Point(ctx, "web", v1.Primary, "") },
	"shift":   func(ctx context.Context, d *Directory) error { return d.Shift(ctx, "web", 30002) },
	"judge": func(ctx context.Context, d *Directory) error {
		return d.Judge(ctx, "web", v1.Verdict{Instance: name(2), Result: v1.VerdictBad})
	},
	"discard": func(ctx context.Context, d *Directory) error { return d.Discard(ctx, "web", name(2)) },
}

func name(n int) string { return staging(n, 0).Instance.String() }

func staging(n, port int) providers.StageRequest {
	return providers.StageRequest{
		Instance:    v1.Instance{Revision: fmt.Sprintf("1%011d", n), Secrets: "0123456789"},
		Release:     v1.Release{Service: "web", StorePath: fmt.Sprintf("/nix/store/%032d-web", n), Env: map[string]string{"A": "1"}},
		StandbyPort: port,
		Secrets:     providers.Secret{Content: providers.SecretBytes("TOKEN=secret\n")},
	}
}

func prepared(t *testing.T, dir string) *Directory {
	t.Helper()
	ctx := context.Background()
	d := New(Options{Paths: providers.Paths{StateDir: dir}})
	err := errors.Join(
		d.Stage(ctx, staging(1, 0)), d.Stage(ctx, staging(2, 0)), d.Point(ctx, "web", v1.Primary, name(1)), d.Shift(ctx, "web", 8080),
		d.Judge(ctx, "web", v1.Verdict{Instance: name(1), Result: v1.VerdictSoaked}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestKilledAtEverySyscall is F22 for this package: killed before any system call that
// changes the disk, of any step, the disk shows the state before or the one after, and the step can be repeated.
func TestKilledAtEverySyscall(t *testing.T) {
	if !env.Inside() {
		t.Skip("runs inside a test host, started by TestOnTestHost")
	}
	// What is between two of these can be seen by nobody, and reading and loading the
	// program make none of them.
	syscalls := []string{"mkdirat", "fchmod", "fsync", "renameat", "renameat2", "symlinkat", "unlinkat"}
	kills := 0
	for step := range steps {
		for _, syscall := range syscalls {
			for n := 1; killedAt(t, step, syscall, n); n++ {
				kills++
			}
		}
	}
	t.Logf("%d kills", kills)
	if kills < 50 {
		t.Errorf("only %d kills: strace does not do its work", kills)
	}
}

// killedAt runs a step in a process that dies at the n-th call, and says whether it died.
func killedAt(t *testing.T, step, syscall string, n int) bool {
	t.Helper()
	dir := t.TempDir()
	before := shows(t, dir, prepared(t, dir))
	cmd := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+syscall,
		"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", syscall, n), "--", os.Args[0], "-test.run=^TestOneStep$")
	cmd.Env = append(os.Environ(), "STEP="+step, "STEP_DIR="+dir, "GOMAXPROCS=1", "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	died := errors.As(err, &exit)
	if died && strings.Contains(string(out), "FAIL") {
		t.Fatalf("%s: %s", step, out)
	}
	where := fmt.Sprintf("%s, killed at %s number %d", step, syscall, n)
	left := shows(t, dir, New(Options{Paths: providers.Paths{StateDir: dir}}))

	if n%2 == 0 { // some passes tidy up before they repeat a step
		tidied(t, dir, left, where)
	}
	d := New(Options{Paths: providers.Paths{StateDir: dir}})
	if err := steps[step](context.Background(), d); err != nil {
		t.Fatalf("%s: repeating it: %v", where, err)
	}
	after := shows(t, dir, d)
	if !reflect.DeepEqual(left, before) && !reflect.DeepEqual(left, after) {
		t.Errorf("%s: left\n%+v\nwhich is neither before\n%+v\nnor after\n%+v", where, left, before, after)
	}
	if !died && !reflect.DeepEqual(left, after) {
		t.Errorf("%s: it was not killed, and left\n%+v", step, left)
	}
	return died
}

// tidied expects that what is unfinished goes, and that nothing else changes.
func tidied(t *testing.T, dir string, left providers.ReleaseFacts, where string) {
	t.Helper()
	d := New(Options{Paths: providers.Paths{StateDir: dir}})
	if err := d.Tidy(context.Background(), "web"); err != nil {
		t.Fatalf("%s: tidying: %v", where, err)
	}
	facts, err := d.Observe(context.Background(), "web")
	if err != nil || len(facts.Unfinished) > 0 {
		t.Errorf("%s: tidying left %v (%v)", where, facts.Unfinished, err)
	}
	if now := shows(t, dir, d); !reflect.DeepEqual(now, left) {
		t.Errorf("%s: tidying made of\n%+v\nthis\n%+v", where, left, now)
	}
}

// shows is what can be seen of the service, without the times and what is unfinished.
func shows(t *testing.T, dir string, d *Directory) providers.ReleaseFacts {
	t.Helper()
	facts, err := d.Observe(context.Background(), "web")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range facts.Staged {
		r.StagedAt = r.StagedAt.Truncate(1 << 62)
		facts.Staged[name] = r
	}
	facts.Unfinished = nil
	upstream, err := os.ReadFile(filepath.Join(dir, "upstreams", "web"))
	if err != nil || string(upstream) != facts.Upstream+"\n" {
		t.Fatalf("the upstream file holds %q (%v)", upstream, err)
	}
	return facts
}

// TestOneStep is the process that is killed.
func TestOneStep(t *testing.T) {
	step, ok := steps[os.Getenv("STEP")]
	if !ok {
		t.Skip("is run by TestKilledAtEverySyscall")
	}
	// strace counts by thread.
	runtime.LockOSThread()
	if err := step(context.Background(), New(Options{Paths: providers.Paths{StateDir: os.Getenv("STEP_DIR")}})); err != nil {
		t.Fatal(err)
	}
}
