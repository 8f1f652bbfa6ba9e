package install_test

import (
	"crypto/md5"
	"fmt"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/cmd/internal/install"
	"deployer/config"
)

const (
	autosave  = "/var/lib/caddy/.config/caddy/autosave.json"
	caddyfile = "/etc/caddy/Caddyfile"
	packaged  = ":80 {\n\troot * /usr/share/caddy\n}\n"
)

// packagedCaddy is the machine after apt-get install caddy: it runs, with the Caddyfile
// of the package and the admin API on TCP.
func packagedCaddy() *machine {
	GinkgoHelper()
	m := newMachine()
	Expect(os.Remove(filepath.Join(m.root, "usr/local/bin/caddy"))).To(Succeed())
	m.put("/usr/bin/caddy", "caddy")
	m.put("/etc/passwd", "root:x:0:0::/root:/bin/sh\ncaddy:x:99:99::/var/lib/caddy:/usr/sbin/nologin\n")
	m.put("/usr/lib/systemd/system/caddy.service", "theirs")
	m.put(caddyfile, packaged)
	m.put(autosave, `{"apps":{"http":{}}}`)
	m.conffiles = fmt.Sprintf("\n %s %x\n", caddyfile, md5.Sum([]byte(packaged)))
	m.unit = "[Service]\nExecStart=/usr/bin/caddy run --environ --config /etc/caddy/Caddyfile\n"
	m.enabled["caddy.service"], m.active["caddy.service"] = true, true
	return m
}

var _ = Describe("Caddy", func() {
	It("of a package that nobody configured gets our unit, its start, and none of what it had before", func() {
		m := packagedCaddy()
		m.installed()
		Expect(m.get(caddyUnit)).To(Equal(string(config.Units()["caddy.service"])))
		Expect(m.get(caddyJSON)).To(Equal(string(config.Caddy())))
		Expect(m.did).To(ContainElement("systemctl restart --quiet caddy.service"))
		Expect(m.get(autosave + ".bak")).To(Equal(`{"apps":{"http":{}}}`))
		Expect(m.disk()).NotTo(HaveKey(autosave))
		Expect(m.get("/usr/lib/systemd/system/caddy.service")).To(Equal("theirs"))
		Expect(m.get(caddyfile)).To(Equal(packaged))

		By("and a second run leaves what it saved since alone")
		m.put(autosave, `{"admin":{"listen":"tcp/somewhere"}}`)
		m.installed()
		Expect(m.results()).To(BeEmpty())
		Expect(m.get(autosave)).To(ContainSubstring("somewhere"))
	})

	It("that resumes with our admin socket keeps what it saved", func() {
		m := packagedCaddy()
		saved := `{"admin":{"listen":"unix//run/caddy/admin.sock|0600"}}`
		m.put(autosave, saved)
		m.installed()
		Expect(m.get(autosave)).To(Equal(saved))
	})

	DescribeTable("that somebody configured is left alone", func(configure func(m *machine), whose string) {
		m := packagedCaddy()
		configure(m)
		before := m.disk()
		fulfilled, err := m.install()
		Expect(err).NotTo(HaveOccurred())
		Expect(fulfilled).To(BeFalse())
		Expect(m.of("caddy").Result).To(Equal(install.Kept))
		Expect(m.of("caddy").Note).To(And(ContainSubstring(whose), ContainSubstring("--force")))
		now := m.disk()
		for path, what := range before {
			Expect(now[path]).To(Equal(what), path)
		}
		Expect(m.did).NotTo(ContainElement(ContainSubstring("caddy.service")))

		By("and it will do when it runs with --resume")
		m.unit = "ExecStart=/usr/bin/caddy run --resume\n"
		m.installed()
		Expect(m.of("caddy").Result).To(Equal(install.OK))
		Expect(m.of("caddy").Note).To(And(ContainSubstring(whose), ContainSubstring("caddy.admin")))

		By("and force takes its place, and keeps it")
		m.installed(force)
		Expect(m.get(caddyUnit)).To(Equal(string(config.Units()["caddy.service"])))
		Expect(m.get(caddyJSON)).To(Equal(string(config.Caddy())))
		now = m.disk()
		for path, what := range before {
			if now[path] != what {
				Expect(now).To(HaveKey(path + ".bak"))
			}
		}
		m.installed()
		Expect(m.results()).To(BeEmpty(), "from now on it is ours")
	},
		Entry("by its Caddyfile", func(m *machine) { m.put(caddyfile, "example.com {\n}\n") }, caddyfile+" is somebody's"),
		Entry("by a Caddyfile without a package", func(m *machine) { m.conffiles = "" }, caddyfile+" is somebody's"),
		Entry("by a unit", func(m *machine) { m.put(caddyUnit, "[Service]\n") }, caddyUnit+" is not ours"),
		Entry("by a drop-in", func(m *machine) { m.put(caddyUnit+".d/override.conf", "[Service]\n") }, "drop-ins, "+caddyUnit+".d/override.conf"),
		Entry("by caddy.json", func(m *machine) { m.put(caddyJSON, "{}") }, caddyJSON+" is not ours"),
	)

	It("that runs as caddy-api.service will do", func() {
		m := packagedCaddy()
		m.enabled["caddy-api.service"] = true
		m.installed()
		Expect(m.of("caddy").Note).To(ContainSubstring("caddy-api.service is enabled"))
		Expect(m.disk()).NotTo(HaveKey(caddyUnit))
	})

	It("is left alone when that is asked for", func() {
		m := packagedCaddy()
		m.installed(func(o *install.Options) { o.WithoutCaddy = true })
		Expect(m.disk()).NotTo(HaveKey(caddyUnit))
		Expect(m.did).NotTo(ContainElement(ContainSubstring("caddy")))
	})
})
