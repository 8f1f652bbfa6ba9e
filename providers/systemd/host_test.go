package systemd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/systemd"
	"deployer/test/env"
)

const storePath = "/nix/store/00000000000000000000000000000000-program"

// realHost is the machine on which this binary runs: a test host, nothing else.
type realHost struct {
	paths   providers.Paths
	manager *systemd.Manager
}

func newRealHost() *realHost {
	GinkgoHelper()
	Expect(env.Inside()).To(BeTrue(), "only on a test host")
	h := &realHost{paths: providers.DefaultPaths()}
	h.paths.StateDir = "/var/lib/deployer-test"
	h.clean()
	h.install()
	h.fallback("/usr/bin/true")
	return h
}

// fallback makes the Manager, with that command for the end of a standby.
func (h *realHost) fallback(command ...string) {
	GinkgoHelper()
	var err error
	h.manager, err = systemd.New(systemd.Options{Paths: h.paths, Fallback: command})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(h.manager.Close)
}

// install puts this binary into the store as the program of all releases.
func (h *realHost) install() {
	GinkgoHelper()
	self, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	bin := filepath.Join(storePath, "bin", "program")
	if _, err := os.Stat(bin); err == nil {
		return
	}
	data, err := os.ReadFile(self)
	Expect(err).NotTo(HaveOccurred())
	Expect(os.MkdirAll(filepath.Dir(bin), 0o755)).To(Succeed())
	Expect(os.WriteFile(bin, data, 0o755)).To(Succeed())
}

// clean takes away what specs leave, by means that are not the Manager's.
func (h *realHost) clean() {
	GinkgoHelper()
	var units []string
	for _, service := range []string{"web", "taken", "needed"} {
		units = append(units, v1.UnitName(service, v1.Primary), v1.UnitName(service, v1.Standby))
	}
	// Those that are not loaded make these fail; what matters is that nothing is left.
	_ = exec.Command("systemctl", append([]string{"kill", "--signal=KILL"}, units...)...).Run()
	_ = exec.Command("systemctl", append([]string{"stop"}, units...)...).Run()
	_ = exec.Command("systemctl", append([]string{"reset-failed"}, units...)...).Run()
	for _, unit := range units {
		for _, dir := range []string{"/etc/systemd/system", "/etc/systemd/system.control", "/run/systemd/system", "/run/systemd/system.control"} {
			_ = os.Remove(filepath.Join(dir, unit))
			_ = os.RemoveAll(filepath.Join(dir, unit+".d"))
		}
		_ = os.Remove(filepath.Join("/etc/systemd/system/multi-user.target.wants", unit))
	}
	Expect(os.RemoveAll(h.paths.StateDir)).To(Succeed())
	systemctl("daemon-reload")
	left, err := exec.Command("systemctl", append([]string{"list-units", "--all", "--plain", "--no-legend"}, units...)...).Output()
	Expect(err).NotTo(HaveOccurred())
	Expect(string(left)).To(BeEmpty(), "units left over")
}

func systemctl(args ...string) string {
	GinkgoHelper()
	out, err := exec.Command("systemctl", args...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", out)
	return strings.TrimSpace(string(out))
}

func (h *realHost) release(service string, p conformance.UnitsProgram) v1.Release {
	r := v1.Release{
		Service: service, StorePath: storePath, InternalPort: 8080,
		Exec: v1.Exec{Command: v1.Command{"bin/program"}},
		Env: map[string]string{
			programVariable: "1", sayVariable: p.Says, timesVariable: fmt.Sprint(p.SaysTimes), readyVariable: p.ReadyAfter.String(),
		},
	}
	if p.Notifies {
		r.HealthType = v1.HealthNotify
	}
	if p.NeverReady {
		r.Env[readyVariable] = "never"
	}
	if p.ExitsAtStart {
		// Its start is over when it says so; before, it exits.
		r.HealthType = v1.HealthNotify
		r.Env[exitVariable] = fmt.Sprint(p.Status)
	}
	return r.Default()
}

func (h *realHost) stage(_ context.Context, slot v1.Slot, r providers.StageRequest) {
	GinkgoHelper()
	service := filepath.Join(h.paths.Releases(), r.Release.Service)
	dir := filepath.Join(service, r.Instance.String())
	Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
	var vars strings.Builder
	for k, v := range r.Release.Env {
		fmt.Fprintf(&vars, "%s=%q\n", k, v)
	}
	Expect(os.WriteFile(filepath.Join(dir, "env"), []byte(vars.String()), 0o600)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(dir, "secrets"), r.Secrets.Content, 0o600)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(dir, "revision"), []byte(r.Instance.String()+"\n"), 0o644)).To(Succeed())
	point(r.Release.StorePath, filepath.Join(dir, "root"))
	point(r.Instance.String(), filepath.Join(service, string(slot)))
}

func point(target, link string) {
	GinkgoHelper()
	Expect(os.RemoveAll(link + ".new")).To(Succeed())
	Expect(os.Symlink(target, link+".new")).To(Succeed())
	Expect(os.Rename(link+".new", link)).To(Succeed())
}

func (h *realHost) crash(service string, slot v1.Slot) {
	GinkgoHelper()
	systemctl("kill", "--signal=KILL", "--kill-whom=main", v1.UnitName(service, slot))
}

func (h *realHost) addForeign(service string) {
	GinkgoHelper()
	path := filepath.Join("/etc/systemd/system", service+".service")
	Expect(os.WriteFile(path, []byte("[Service]\nExecStart=/usr/bin/sleep infinity\n"), 0o644)).To(Succeed())
	systemctl("daemon-reload")
	systemctl("start", service)
}

func (h *realHost) foreign(service string) string {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join("/etc/systemd/system", service+".service"))
	Expect(err).NotTo(HaveOccurred())
	return string(data) + systemctl("show", service, "--property=MainPID,InvocationID,ActiveState,FragmentPath,DropInPaths")
}

func (h *realHost) drift(what, service string, slot v1.Slot) {
	GinkgoHelper()
	unit := v1.UnitName(service, slot)
	path := filepath.Join("/etc/systemd/system", unit)
	switch what {
	case "edit":
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		Expect(err).NotTo(HaveOccurred())
		_, err = f.WriteString("[Service]\nNice=5\n")
		Expect(err).NotTo(HaveOccurred())
		Expect(f.Close()).To(Succeed())
	case "drop-in":
		Expect(os.MkdirAll(path+".d", 0o755)).To(Succeed())
		Expect(os.WriteFile(path+".d/override.conf", []byte("[Service]\nNice=5\n"), 0o644)).To(Succeed())
	case "mask":
		point("/dev/null", path)
		systemctl("daemon-reload")
	case "unlink":
		Expect(os.Remove(path)).To(Succeed())
	case "disable":
		Expect(os.Remove(filepath.Join("/etc/systemd/system/multi-user.target.wants", unit))).To(Succeed())
	default:
		Fail("unknown drift " + what)
	}
}

func (h *realHost) saw(service string, slot v1.Slot) (p conformance.UnitsProcess) {
	GinkgoHelper()
	dir := "/run/biz-" + service
	if slot == v1.Standby {
		dir += "-standby"
	}
	Eventually(func(g Gomega) {
		data, err := os.ReadFile(filepath.Join(dir, sawFile))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(json.Unmarshal(data, &p)).To(Succeed())
	}).WithTimeout(10 * time.Second).Should(Succeed())
	return p
}

func (h *realHost) conformance() conformance.UnitsHost {
	return conformance.UnitsHost{
		Units: h.manager, Release: h.release, Stage: h.stage, Pass: time.Sleep, Crash: h.crash,
		AddForeign: h.addForeign, Foreign: h.foreign, Drift: h.drift, Saw: h.saw,
	}
}

var _ = Describe("on a real systemd", Label("host"), func() {
	if !env.Inside() {
		return
	}
	conformance.Units(func() conformance.UnitsHost { return newRealHost().conformance() })
	conformance.UnitProcesses(func() conformance.UnitsHost { return newRealHost().conformance() })
})
