package install_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/cmd/internal/install"
)

func TestInstall(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "install")
}

// machine is a Debian of plain files, with a systemctl that remembers.
type machine struct {
	root, from string
	// enabled and active units; version of systemd.
	enabled, active map[string]bool
	version         string
	// conffiles is what dpkg says of Caddy; empty is no such package.
	conffiles string
	// unit is what systemctl shows of caddy.service.
	unit string
	// fails is a command that fails.
	fails string
	// did are the commands that change something.
	did   []string
	lines []install.Line
}

// newMachine has systemd, Nix, Caddy and nothing of ours.
func newMachine() *machine {
	GinkgoHelper()
	m := &machine{
		root: GinkgoT().TempDir(), from: GinkgoT().TempDir(),
		enabled: map[string]bool{}, active: map[string]bool{}, version: "systemd 257 (257.9-1~deb13u1)",
	}
	for _, dir := range []string{"/run/systemd/system", "/nix/var/nix/gcroots", "/usr/bin", "/var/lib"} {
		Expect(os.MkdirAll(filepath.Join(m.root, dir), 0o755)).To(Succeed())
	}
	m.put("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
	m.put("/usr/local/bin/caddy", "caddy")
	for _, name := range []string{"biz-deployer", "deployerctl", "deploy-manifest"} {
		Expect(os.WriteFile(filepath.Join(m.from, name), []byte("program "+name), 0o755)).To(Succeed())
	}
	return m
}

func (m *machine) put(path, text string) {
	GinkgoHelper()
	Expect(os.MkdirAll(filepath.Dir(filepath.Join(m.root, path)), 0o755)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(m.root, path), []byte(text), 0o644)).To(Succeed())
}

func (m *machine) get(path string) string {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join(m.root, path))
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}

func (m *machine) command(_ context.Context, name string, args ...string) (string, error) {
	line := strings.Join(append([]string{name}, args...), " ")
	if m.fails != "" && strings.HasPrefix(line, m.fails) {
		return "", errors.New(line + ": it fails")
	}
	unit := args[len(args)-1]
	switch {
	case line == "systemctl --version":
		return m.version + "\n+PAM\n", nil
	case line == "systemctl cat caddy.service":
		return m.unit, nil
	case name == "dpkg-query" && m.conffiles != "":
		return m.conffiles, nil
	case name == "dpkg-query":
		return "", errors.New("no packages found matching caddy")
	case strings.HasPrefix(line, "systemctl is-enabled"):
		return word(m.enabled[unit], "enabled", "disabled")
	case strings.HasPrefix(line, "systemctl is-active"):
		return word(m.active[unit], "active", "inactive")
	}
	m.did = append(m.did, line)
	switch {
	case strings.HasPrefix(line, "systemctl enable"):
		m.enabled[unit] = true
	case strings.HasPrefix(line, "systemctl start"), strings.HasPrefix(line, "systemctl restart"):
		m.active[unit] = true
	case name == "useradd":
		m.put("/etc/passwd", m.get("/etc/passwd")+"caddy:x:99:99::/var/lib/caddy:/usr/sbin/nologin\n")
	case line != "systemctl daemon-reload":
		Fail("a machine does not know " + line)
	}
	return "", nil
}

func word(is bool, yes, no string) (string, error) {
	if is {
		return yes + "\n", nil
	}
	return no + "\n", errors.New("exit status 1")
}

// install runs it, and gives whether everything is as asked for.
func (m *machine) install(change ...func(*install.Options)) (bool, error) {
	m.lines, m.did = nil, nil
	o := install.Options{
		Root: m.root, From: m.from, Command: m.command,
		Say: func(l install.Line) { m.lines = append(m.lines, l) },
	}
	for _, c := range change {
		c(&o)
	}
	err := install.Run(context.Background(), o)
	for _, l := range m.lines {
		GinkgoWriter.Println(l)
	}
	if errors.Is(err, install.ErrUnfulfilled) {
		return false, nil
	}
	return err == nil, err
}

const record = "/var/lib/biz-deployer/installed.json"

// wrote makes an earlier run have written that text.
func (m *machine) wrote(path, text string) {
	GinkgoHelper()
	known := map[string]string{}
	Expect(json.Unmarshal([]byte(m.get(record)), &known)).To(Succeed())
	Expect(known).To(HaveKey(path))
	known[path] = fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	data, err := json.Marshal(known)
	Expect(err).NotTo(HaveOccurred())
	m.put(record, string(data))
}

// installed expects that it worked.
func (m *machine) installed(change ...func(*install.Options)) {
	GinkgoHelper()
	fulfilled, err := m.install(change...)
	Expect(err).NotTo(HaveOccurred())
	Expect(fulfilled).To(BeTrue(), "%v", m.lines)
}

// of is what was said of one thing.
func (m *machine) of(what string) install.Line {
	GinkgoHelper()
	i := slices.IndexFunc(m.lines, func(l install.Line) bool { return l.What == what })
	Expect(i).To(BeNumerically(">=", 0), "nothing was said of %s: %v", what, m.lines)
	return m.lines[i]
}

// results without those that were ok.
func (m *machine) results() map[string]install.Result {
	out := map[string]install.Result{}
	for _, l := range m.lines {
		if l.Result != install.OK {
			out[l.What] = l.Result
		}
	}
	return out
}

// disk is every file with its mode and content.
func (m *machine) disk() map[string]string {
	GinkgoHelper()
	out := map[string]string{}
	Expect(filepath.WalkDir(m.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		out[strings.TrimPrefix(path, m.root)] = fmt.Sprintf("%v %x", info.Mode(), sha256.Sum256(data))
		return err
	})).To(Succeed())
	return out
}

func force(o *install.Options)  { o.Force = true }
func dryRun(o *install.Options) { o.DryRun = true }

func wish(w install.Wish) func(*install.Options) {
	return func(o *install.Options) { o.Wish = w }
}
