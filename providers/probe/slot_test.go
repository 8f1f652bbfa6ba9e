package probe_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/probe"
	"deployer/test/env"
)

const group = "/system.slice/web.service"

// slot is a control group with real processes in it: this test, or a child.
type slot struct {
	root   string
	prober *probe.Prober
}

// newSlot lays the group out as systemd does in a tree of the given name.
func newSlot(tree string, pids ...int) slot {
	GinkgoHelper()
	s := slot{root: GinkgoT().TempDir()}
	s.prober = probe.New(probe.Options{CgroupRoot: s.root})
	s.write(filepath.Join(tree, group), pids...)
	return s
}

func (s slot) write(dir string, pids ...int) {
	GinkgoHelper()
	dir = filepath.Join(s.root, dir)
	Expect(os.MkdirAll(dir, 0o750)).To(Succeed())
	content := ""
	for _, pid := range pids {
		content += fmt.Sprintln(pid)
	}
	Expect(os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(content), 0o600)).To(Succeed())
}

func ask(port int) providers.ProbeRequest {
	return providers.ProbeRequest{
		Service: "web", Slot: v1.Primary, Type: v1.HealthHTTP, Host: "web.example.com", Port: port, ControlGroup: group,
	}
}

// listen gives a listener of this process, and its port.
func listen(network, address string) (net.Listener, int) {
	GinkgoHelper()
	l, err := net.Listen(network, address)
	if err != nil && network == "tcp6" {
		env.Lacks(GinkgoT(), "an IPv6 loopback: sysctl net.ipv6.conf.lo.disable_ipv6=0")
	}
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = l.Close() })
	return l, l.Addr().(*net.TCPAddr).Port
}

// serve answers on loopback.
func serve(h http.HandlerFunc) int {
	GinkgoHelper()
	l, port := listen("tcp4", "127.0.0.1:0")
	srv := &http.Server{Handler: h} //nolint:gosec // for one spec, on loopback
	go func() { _ = srv.Serve(l) }()
	DeferCleanup(srv.Close)
	return port
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(code)
	}
}

// sleeper is another process that listens nowhere.
func sleeper() int {
	GinkgoHelper()
	cmd := exec.Command("sleep", "60")
	Expect(cmd.Start()).To(Succeed())
	DeferCleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

func closedPort() int {
	GinkgoHelper()
	l, port := listen("tcp4", "127.0.0.1:0")
	Expect(l.Close()).To(Succeed())
	return port
}
