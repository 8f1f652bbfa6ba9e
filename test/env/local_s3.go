package env

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// LocalTB is the part of testing.TB (and of GinkgoT()) that LocalS3 needs.
type LocalTB interface {
	TB
	Cleanup(f func())
	Failed() bool
	Logf(format string, args ...any)
	TempDir() string
}

// LocalS3 starts a real S3 server, versitygw, on a free port of loopback, with empty buckets and
// one user, and gives its host:port. It goes away with the test, and needs no test host and no root.
func LocalS3(t LocalTB, user, secret string, buckets ...string) (addr string) {
	t.Helper()
	server, dir := Tool(t, "versitygw"), t.TempDir()
	for _, bucket := range buckets {
		if err := os.MkdirAll(filepath.Join(dir, bucket), 0o755); err != nil {
			t.Fatalf("making a bucket: %v", err)
		}
	}
	addr = FreeAddress(t)
	var output bytes.Buffer
	cmd := exec.Command(server, "--port", addr, "--quiet", "posix", dir)
	cmd.Env = []string{"ROOT_ACCESS_KEY=" + user, "ROOT_SECRET_KEY=" + secret, "HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting versitygw: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("versitygw said:\n%s", output.String())
		}
	})
	client := http.Client{Timeout: time.Second}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		resp, err := client.Get("http://" + addr + "/")
		if err == nil {
			_ = resp.Body.Close()
			return addr
		}
		if time.Now().After(end) {
			t.Fatalf("versitygw does not answer: %v", err)
		}
	}
}

// FreeAddress is a host:port of loopback that nobody listened on a moment ago.
func FreeAddress(t TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("finding a free port: %v", err)
		return ""
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
