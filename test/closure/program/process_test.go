package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"deployer/test/env"
)

// patience is for machines that have other things to do.
const patience = 20 * time.Second

// running is the program as a process of its own.
type running struct {
	*exec.Cmd
	url string
}

// command is the program with these settings. What it says goes to a file, and not through
// a pipe, for which Wait would wait as long as there are children of it.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"release=v1"}, args...)...)
	// The race detector would have it linger for a second at its end.
	cmd.Env = []string{runVariable + "=1", "CANARY=tweet", "GORACE=atexit_sleep_ms=0"}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd
}

func start(t *testing.T, args ...string) running {
	t.Helper()
	port := freePort(t)
	cmd := command(t, append(args, "port="+port)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	r := running{cmd, "http://127.0.0.1:" + port}
	r.eventually(t, "it answers", func() bool {
		resp, err := http.Get(r.url + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return r
}

func (r running) eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// info is what it says of itself.
func (r running) info(t *testing.T) (info struct{ Pid, Parent, Starts int }) {
	t.Helper()
	if err := json.NewDecoder(get(t, r.url+"/info").Body).Decode(&info); err != nil {
		t.Fatal(err)
	}
	return info
}

// ends waits for its end, which must come by itself.
func (r running) ends(t *testing.T) syscall.WaitStatus {
	t.Helper()
	late := time.AfterFunc(patience, func() {
		t.Errorf("it did not end within %s", patience)
		_ = r.Process.Kill()
	})
	defer late.Stop()
	var exit *exec.ExitError
	if err := r.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return r.ProcessState.Sys().(syscall.WaitStatus)
}

func (r running) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(env.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestSigterm(t *testing.T) {
	for _, c := range []struct {
		name, setting string
		whole         bool
	}{
		{"a graceful program finishes the open request", "graceful=yes", true},
		{"one that is not cuts it", "graceful=no", false},
		{"one that ignores the signal goes on", "ignore-sigterm=yes", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, c.setting)
			answer := make(chan error, 1)
			began := make(chan struct{})
			go func() {
				close(began)
				resp, err := http.Get(r.url + "/slow?for=1s")
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				answer <- err
			}()
			<-began
			time.Sleep(300 * time.Millisecond)
			r.signal(t, syscall.SIGTERM)
			if err := <-answer; (err == nil) != c.whole {
				t.Errorf("the open request ended with %v", err)
			}
			if c.setting == "ignore-sigterm=yes" {
				get(t, r.url+"/")
				return
			}
			if status := r.ends(t); status.ExitStatus() != 0 {
				t.Errorf("it ended with %v", status)
			}
		})
	}
}

func TestAGracefulProgramClosesItsWebsockets(t *testing.T) {
	r := start(t)
	conn, _, err := websocket.Dial(t.Context(), r.url+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	r.signal(t, syscall.SIGTERM)
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the websocket ended with %v", err)
	}
	if status := r.ends(t); status.ExitStatus() != 0 {
		t.Errorf("it ended with %v", status)
	}
}

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		signal syscall.Signal
	}{
		{[]string{"exit-after=300ms", "exit-code=3"}, 3, 0},
		{[]string{"exit-after=300ms", "exit-signal=KILL"}, -1, syscall.SIGKILL},
		{[]string{"exit-after=300ms", "exit-signal=ABRT"}, -1, syscall.SIGABRT},
		{[]string{"mode=exit", "exit-code=4"}, 4, 0},
	} {
		cmd := command(t, append(c.args, "port="+freePort(t))...)
		cmd.Stderr = nil // a crash is long
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		status := running{Cmd: cmd}.ends(t)
		if status.ExitStatus() != c.status || status.Signaled() && status.Signal() != c.signal {
			t.Errorf("%v: it ended with status %d, signal %v", c.args, status.ExitStatus(), status.Signal())
		}
	}
}

func TestAWrapperListensThroughItsChild(t *testing.T) {
	r := start(t, "mode=wrapper")
	info := r.info(t)
	if info.Parent != r.Process.Pid || info.Pid == r.Process.Pid {
		t.Errorf("process %d, whose parent is %d, listens; %d was started", info.Pid, info.Parent, r.Process.Pid)
	}
	r.signal(t, syscall.SIGTERM)
	if status := r.ends(t); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("the wrapper ended with %v", status)
	}
	get(t, r.url+"/") // the child is still there: it was not told
	if err := syscall.Kill(info.Pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestATitleThatIsOverwritten(t *testing.T) {
	r := start(t, "overwrite-title=yes")
	for file, hidden := range map[string]string{"cmdline": "release=v1", "environ": "CANARY"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", r.Process.Pid, file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), hidden) || file == "cmdline" && !strings.HasPrefix(string(data), title) {
			t.Errorf("/proc/PID/%s still says %q", file, data)
		}
	}
	body, err := io.ReadAll(get(t, r.url+"/").Body)
	if err != nil || string(body) != "v1\n" {
		t.Errorf("it answers %q, %v", body, err)
	}
}

func TestStateOutlivesTheProgram(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("STATE_DIRECTORY", dir)
	for want := 1; want <= 2; want++ {
		if got, err := countStart(dir); got != want || err != nil {
			t.Errorf("start %d was counted as %d, %v", want, got, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "starts"), []byte("lost"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{dir, "", filepath.Join(dir, "none")} {
		if _, err := countStart(dir); err == nil {
			t.Errorf("starts were counted in %q", dir)
		}
	}
}

func TestSystemdIsToldThatItIsReady(t *testing.T) {
	for _, never := range []string{"no", "yes"} {
		path := filepath.Join(t.TempDir(), "notify")
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		cmd := command(t, "mode=worker", "never-ready="+never)
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		wait := patience
		if never == "yes" {
			wait = time.Second
		}
		if err := l.SetReadDeadline(time.Now().Add(wait)); err != nil {
			t.Fatal(err)
		}
		said := make([]byte, 100)
		n, err := l.Read(said)
		if never == "yes" != errors.Is(err, os.ErrDeadlineExceeded) || never == "no" && string(said[:n]) != "READY=1" {
			t.Errorf("never-ready=%s: it said %q, %v", never, said[:n], err)
		}
		running{Cmd: cmd}.signal(t, syscall.SIGTERM)
		if status := (running{Cmd: cmd}).ends(t); status.ExitStatus() != 0 {
			t.Errorf("the worker ended with %v", status)
		}
		l.Close()
	}
}

func TestACheckAsksTheInstanceOfItsPort(t *testing.T) {
	well, ill := start(t), start(t, "health-status=503")
	port := func(r running) string { return "port=" + r.url[strings.LastIndex(r.url, ":")+1:] }
	for _, c := range []struct {
		args   []string
		status int
	}{
		{[]string{port(well)}, 0},
		{[]string{port(ill)}, 1},
		{[]string{"port=" + freePort(t)}, 1},
		{[]string{port(well), "check-code=7"}, 7},
		{[]string{port(well), "check-delay=100ms"}, 0},
	} {
		cmd := command(t, append(slices.Clone(c.args), "mode=check")...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if status := (running{Cmd: cmd}).ends(t); status.ExitStatus() != c.status {
			t.Errorf("%v: exit status %d, want %d", c.args, status.ExitStatus(), c.status)
		}
	}
}

func TestAProgramCanFailToBeWhereItShould(t *testing.T) {
	r := start(t, "start-delay=200ms")
	taken := command(t, "port="+r.url[strings.LastIndex(r.url, ":")+1:])
	if err := taken.Run(); err == nil {
		t.Error("two programs listen on one port")
	}
	if err := command(t, "mode=nonsense").Run(); err == nil {
		t.Error("an unknown mode was taken")
	}
}
