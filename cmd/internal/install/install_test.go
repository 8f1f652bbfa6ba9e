package install_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/hostconfig"
	"deployer/cmd/internal/install"
	"deployer/config"
	"deployer/providers/nix"
)

const (
	configPath = "/etc/biz-deployer/config.yaml"
	daemonUnit = "/etc/systemd/system/biz-deployer.service"
	caddyUnit  = "/etc/systemd/system/caddy.service"
	caddyJSON  = "/etc/caddy/caddy.json"
	ctl        = "/usr/local/bin/deployerctl"
)

func newKey(name string) string {
	GinkgoHelper()
	_, public, err := nix.GenerateKey(name)
	Expect(err).NotTo(HaveOccurred())
	return public
}

func parsed(text string) hostconfig.Config {
	GinkgoHelper()
	c, err := hostconfig.Parse([]byte(text))
	Expect(err).NotTo(HaveOccurred())
	return c
}

var _ = Describe("a machine on which nothing of ours is", func() {
	It("has everything after it, as it is in this repository, and nothing to do the second time", func() {
		m := newMachine()
		key := newKey("acme-1")
		w := wish(install.Wish{Store: "s3://acme?endpoint=s3.example.com&profile=acme", Host: "Biz", TrustedKeys: []string{key}})
		m.installed(w)
		for name, text := range config.Units() {
			Expect(m.get("/etc/systemd/system/" + name)).To(Equal(string(text)))
		}
		Expect(m.get(caddyJSON)).To(Equal(string(config.Caddy())))
		Expect(m.get(ctl)).To(Equal("program deployerctl"))
		c := parsed(m.get(configPath))
		Expect(c.Host).To(Equal("biz"))
		Expect(c.Store).To(Equal("s3://acme?endpoint=s3.example.com&profile=acme"))
		Expect(c.TrustedPublicKeys).To(Equal([]string{key}))
		Expect(m.get(configPath)).To(ContainSubstring("# Closures are accepted only with a signature"))
		for dir, mode := range map[string]os.FileMode{
			"/var/lib/biz-deployer": 0o755, "/var/lib/biz-secrets": 0o700, "/nix/var/nix/gcroots/biz": 0o755, "/etc/biz-deployer": 0o755,
		} {
			info, err := os.Stat(filepath.Join(m.root, dir))
			Expect(err).NotTo(HaveOccurred())
			Expect(info.Mode().Perm()).To(Equal(mode), dir)
		}
		Expect(m.did).To(Equal([]string{
			"useradd --system --create-home --home-dir /var/lib/caddy --shell /usr/sbin/nologin --user-group caddy",
			"systemctl daemon-reload",
			"systemctl enable --quiet biz-deployer-boot.service",
			"systemctl enable --quiet caddy.service", "systemctl start --quiet caddy.service",
			"systemctl enable --quiet biz-deployer.service", "systemctl start --quiet biz-deployer.service",
		}))

		before := m.disk()
		for _, again := range [][]func(*install.Options){{w}, {}} {
			m.installed(again...)
			Expect(m.results()).To(BeEmpty())
			Expect(m.did).To(BeEmpty())
			Expect(m.disk()).To(Equal(before))
		}
	})

	It("has the defaults in its configuration when nothing is said, and the sample's values nowhere", func() {
		m := newMachine()
		m.installed()
		name, err := os.Hostname()
		Expect(err).NotTo(HaveOccurred())
		c := parsed(m.get(configPath))
		Expect(name).To(HavePrefix(c.Host))
		Expect(c.Store).To(Equal("file:///var/lib/biz-deployer/store"))
		Expect(c.TrustedPublicKeys).To(BeEmpty())
	})

	It("is not touched by a dry run, which says what a run does", func() {
		m := newMachine()
		before := m.disk()
		fulfilled, err := m.install(dryRun)
		Expect(err).NotTo(HaveOccurred())
		Expect(fulfilled).To(BeTrue())
		Expect(m.disk()).To(Equal(before))
		Expect(m.did).To(BeEmpty())
		would := m.results()
		m.installed()
		Expect(m.results()).To(Equal(would))
	})

	It("is refused when it cannot run it", func() {
		m := newMachine()
		m.version = "systemd 249 (249.11)"
		_, err := m.install()
		Expect(err).To(MatchError(ContainSubstring("systemd 249 is too old")))
		m.version = "nonsense"
		_, err = m.install()
		Expect(err).To(HaveOccurred())
		Expect(os.RemoveAll(filepath.Join(m.root, "run"))).To(Succeed())
		_, err = m.install()
		Expect(err).To(MatchError(ContainSubstring("systemd does not run this machine")))
		m = newMachine()
		m.put("/etc/NIXOS", "")
		_, err = m.install()
		Expect(err).To(MatchError(ContainSubstring("config/nixos/module.nix")))
		Expect(cli.CodeOf(err)).To(Equal(cli.ExitUsage))
		Expect(m.disk()).NotTo(HaveKey(configPath))
	})

	It("says how to bring Nix and Caddy, and does the rest", func() {
		m := newMachine()
		Expect(os.RemoveAll(filepath.Join(m.root, "nix"))).To(Succeed())
		Expect(os.Remove(filepath.Join(m.root, "usr/local/bin/caddy"))).To(Succeed())
		fulfilled, err := m.install()
		Expect(err).NotTo(HaveOccurred())
		Expect(fulfilled).To(BeFalse())
		Expect(m.of("nix").Note).To(ContainSubstring("apt-get install nix-bin"))
		Expect(m.of("caddy").Note).To(ContainSubstring("2.11.1 or newer"))
		Expect(m.active).To(HaveKey("biz-deployer.service"))
		Expect(m.disk()).NotTo(HaveKey(caddyUnit))
	})

	It("needs the programs, and says how to get them", func() {
		m := newMachine()
		Expect(os.Remove(filepath.Join(m.from, "biz-deployer"))).To(Succeed())
		_, err := m.install()
		Expect(err).To(MatchError(ContainSubstring("`make build`")))
		m.put("/usr/local/bin/biz-deployer", "there already")
		m.installed()
	})

	It("is told when a unit does not start, and where to look", func() {
		m := newMachine()
		m.fails = "systemctl start --quiet biz-deployer"
		_, err := m.install()
		Expect(err).To(MatchError(ContainSubstring("journalctl -u biz-deployer -n 30")))
	})

	It("starts nothing when an image is made", func() {
		m := newMachine()
		m.installed(func(o *install.Options) { o.NoStart = true })
		Expect(m.active).To(BeEmpty())
		Expect(slices.Sorted(maps.Keys(m.enabled))).To(Equal([]string{"biz-deployer-boot.service", "biz-deployer.service", "caddy.service"}))
	})
})

var _ = Describe("a wish", func() {
	DescribeTable("is refused before anything is done", func(w install.Wish, said string) {
		m := newMachine()
		before := len(m.disk())
		_, err := m.install(wish(w))
		Expect(err).To(MatchError(ContainSubstring(said)))
		Expect(cli.CodeOf(err)).To(Equal(cli.ExitUsage))
		Expect(m.disk()).To(HaveLen(before))
	},
		Entry("for a store that is none", install.Wish{Store: "ftp://x"}, "store"),
		Entry("for a key that is none", install.Wish{TrustedKeys: []string{"acme-1"}}, "--trusted-key"),
		Entry("for a key that is cut short", install.Wish{TrustedKeys: []string{"acme-1:Wl0nDZ0mPCSL"}}, "--trusted-key"),
	)
})

var _ = Describe("a configuration that is there", func() {
	const mine = `# mine
host: biz   # the name
workers: 7
trustedPublicKeys:
  - old-1:Wl0nDZ0mPCSLcRbC2BIWXkXmlCm5wc3yMYVIJ2vPzRE=
  # a comment
store: s3://acme?endpoint=s3.example.com
`
	var m *machine
	BeforeEach(func() {
		m = newMachine()
		m.put(configPath, mine)
	})

	It("stays, with what is asked for already in it or nothing asked", func() {
		m.installed()
		m.installed(wish(install.Wish{Host: "BIZ", Store: "s3://acme?endpoint=s3.example.com"}))
		Expect(m.get(configPath)).To(Equal(mine))
	})

	It("stays when something else is asked for, and that is said", func() {
		fulfilled, err := m.install(wish(install.Wish{Host: "biz2", Store: "s3://other"}))
		Expect(err).NotTo(HaveOccurred())
		Expect(fulfilled).To(BeFalse())
		Expect(m.of(configPath).Result).To(Equal(install.Kept))
		Expect(m.of(configPath).Note).To(And(
			ContainSubstring("host is biz there, and biz2 is asked for"),
			ContainSubstring("store is s3://acme?endpoint=s3.example.com there"), ContainSubstring("--force")))
		Expect(m.get(configPath)).To(Equal(mine))
	})

	It("is changed by force in what is asked for and in nothing else, with a copy, and the daemon starts anew", func() {
		m.installed()
		one, two := newKey("one"), newKey("two")
		m.installed(force, wish(install.Wish{Host: "biz2", Store: "s3://other?region=a", TrustedKeys: []string{one, two}}))
		Expect(m.get(configPath)).To(Equal("# mine\nhost: biz2\nworkers: 7\ntrustedPublicKeys:\n  - " + one + "\n  - " + two +
			"\n  # a comment\nstore: s3://other?region=a\n"))
		Expect(m.get(configPath + ".bak")).To(Equal(mine))
		Expect(m.did).To(Equal([]string{"systemctl restart --quiet biz-deployer.service"}))
	})

	It("is left to a person when it is written in a way that nothing here can edit", func() {
		odd := `{"host": "biz", "store": "s3://acme", "trustedPublicKeys": []}`
		m.put(configPath, odd)
		_, err := m.install(force, wish(install.Wish{Host: "biz2"}))
		Expect(err).To(MatchError(ContainSubstring("change it by hand (host is biz there")))
		Expect(m.get(configPath)).To(Equal(odd))
	})

	It("must be valid", func() {
		m.put(configPath, "hots: biz\n")
		_, err := m.install()
		Expect(err).To(MatchError(And(ContainSubstring("hots"), ContainSubstring("mend it"))))
	})
})

var _ = Describe("what is there", func() {
	It("is brought up to date when an earlier install wrote it, and what runs is started anew", func() {
		m := newMachine()
		m.installed()
		older := "older\n"
		m.put(daemonUnit, older)
		m.wrote(daemonUnit, older)
		m.installed()
		Expect(m.of(daemonUnit).Result).To(Equal(install.Changed))
		Expect(m.get(daemonUnit)).To(Equal(string(config.Units()["biz-deployer.service"])))
		Expect(m.did).To(Equal([]string{"systemctl daemon-reload", "systemctl restart --quiet biz-deployer.service"}))
		Expect(m.disk()).NotTo(HaveKey(daemonUnit + ".bak"))
	})

	It("is kept when somebody changed it, and replaced by force with a copy beside it, each time another", func() {
		m := newMachine()
		m.installed()
		for _, text := range []string{"by hand\n", "by hand again\n"} {
			m.put(daemonUnit, text)
			fulfilled, err := m.install()
			Expect(err).NotTo(HaveOccurred())
			Expect(fulfilled).To(BeFalse())
			Expect(m.of(daemonUnit).Note).To(ContainSubstring("--force"))
			Expect(m.get(daemonUnit)).To(Equal(text))
			m.installed(force)
			Expect(m.get(daemonUnit)).To(Equal(string(config.Units()["biz-deployer.service"])))
		}
		Expect(m.get(daemonUnit + ".bak")).To(Equal("by hand\n"))
		copies, err := filepath.Glob(filepath.Join(m.root, daemonUnit+".bak*"))
		Expect(err).NotTo(HaveOccurred())
		Expect(copies).To(HaveLen(2))
	})

	It("is kept when it is another program of that name", func() {
		m := newMachine()
		m.put(ctl, "#!/bin/sh\n")
		fulfilled, err := m.install()
		Expect(err).NotTo(HaveOccurred())
		Expect(fulfilled).To(BeFalse())
		Expect(m.of(ctl).Note).To(ContainSubstring("another program"))
		m.installed(force)
		Expect(m.get(ctl)).To(Equal("program deployerctl"))
		Expect(m.get(ctl + ".bak")).To(Equal("#!/bin/sh\n"))
	})

	It("gets the modes that it needs, and keeps those that do no harm", func() {
		m := newMachine()
		m.installed()
		for path, mode := range map[string]os.FileMode{
			"/var/lib/biz-deployer": 0o700, "/var/lib/biz-secrets": 0o777, "/etc/biz-deployer": 0o755, daemonUnit: 0o600,
		} {
			Expect(os.Chmod(filepath.Join(m.root, path), mode)).To(Succeed())
		}
		m.installed()
		Expect(m.of("/var/lib/biz-deployer").Note).To(Equal("mode 0700 → 0755"))
		Expect(m.of("/var/lib/biz-secrets").Note).To(Equal("mode 0777 → 0755"), "readers are the operator's choice, writers are not")
		Expect(m.of(daemonUnit).Note).To(Equal("mode 0600 → 0644"))
		m.installed()
		Expect(m.results()).To(BeEmpty())
	})

	It("is a file where a directory should be, and that is said", func() {
		m := newMachine()
		m.put("/var/lib/biz-secrets", "")
		_, err := m.install()
		Expect(err).To(MatchError(ContainSubstring("/var/lib/biz-secrets is not a directory")))
	})
})
