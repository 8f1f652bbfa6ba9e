package systemd_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/systemd"
)

// update rewrites the golden files: go test ./providers/systemd -update.
var update = flag.Bool("update", false, "rewrite testdata/*.service")

func options(version int) systemd.RenderOptions {
	return systemd.RenderOptions{
		Paths: providers.DefaultPaths(), Version: version, Fallback: systemd.DefaultFallback(),
	}
}

// web is an ordinary service with HTTP.
func web() v1.Release {
	return v1.Release{
		Service: "web", StorePath: "/nix/store/00000000000000000000000000000000-web",
		Env: map[string]string{"PORT": "8080"}, EnvFile: "/var/lib/biz-secrets/web.env", InternalPort: 8080,
	}
}

func render(slot v1.Slot, version int, r v1.Release) (systemd.Unit, error) {
	r = r.Default()
	s := providers.UnitSpec{Service: r.Service, Slot: slot, Release: &r}
	if slot == v1.Standby {
		s.StandbyPort = 31234
	}
	return systemd.Render(s, options(version))
}

func everything() v1.Release {
	yes := true
	return v1.Release{
		Service: "api", StorePath: "/nix/store/00000000000000000000000000000000-api", HealthType: v1.HealthNotify,
		Exec: v1.Exec{
			Command: v1.Command{"bin/server", "serve it", "100%"},
			Args:    []string{"$HOME", `say "hi"`, `C:\dir`, "a\tb", "", ";"},
			User:    "api", Group: "www-data",
		},
		Systemd: v1.Systemd{
			After: []string{"redis.service"}, Requires: []string{"postgresql.service"},
			Restart: "on-failure", RestartSec: v1.Duration(2 * time.Second),
		},
		Hardening: v1.Hardening{
			Profile: v1.ProfileStrict, PrivateTmp: &yes, ProtectSystem: "full", ProtectHome: "tmpfs",
			Allow: []string{"network", "jit", "low-ports", "netlink", "resources", "shared-files"},
		},
		Resources:      v1.Resources{MemoryMax: "512M", CPUQuota: "150%", TasksMax: 100},
		StateDirectory: "api",
	}
}

var _ = Describe("a unit's text", func() {
	profile := func(name string) v1.Release {
		r := web()
		r.Hardening.Profile = name
		return r
	}
	DescribeTable("is what the golden file says", func(golden string, slot v1.Slot, version int, r v1.Release) {
		u, err := render(slot, version, r)
		Expect(err).NotTo(HaveOccurred())
		path := filepath.Join("testdata", golden+".service")
		if *update {
			Expect(os.MkdirAll("testdata", 0o755)).To(Succeed())
			Expect(os.WriteFile(path, []byte(u.Text), 0o644)).To(Succeed())
		}
		want, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred(), "run the test with -update and look at the diff")
		Expect(u.Text).To(Equal(string(want)))
	},
		Entry("primary", "web", v1.Primary, 257, web()),
		Entry("standby", "web-standby", v1.Standby, 257, web()),
		Entry("an older systemd", "web-252", v1.Primary, 252, web()),
		Entry("strict", "web-strict", v1.Primary, 257, profile(v1.ProfileStrict)),
		Entry("none", "web-none", v1.Primary, 257, profile(v1.ProfileNone)),
		Entry("everything that can be set", "api", v1.Primary, 257, everything()),
	)

	It("names no release: store path, env, secrets and attempt change nothing", func() {
		before, err := render(v1.Primary, 257, web())
		Expect(err).NotTo(HaveOccurred())
		r := web()
		r.StorePath, r.NarHash, r.Attempt = "/nix/store/11111111111111111111111111111111-web", "sha256:x", 7
		r.Env["SECRET"] = "not here"
		after, err := render(v1.Primary, 257, r)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.Text).To(Equal(before.Text))
	})

	It("sets the standby's port last, so that it wins", func() {
		u, err := render(v1.Standby, 257, web())
		Expect(err).NotTo(HaveOccurred())
		Expect(u.PortFile).To(Equal("PORT=31234\n"))
		files := linesOf(u.Text, "EnvironmentFile=")
		Expect(files).To(HaveLen(3))
		Expect(files[2]).To(HaveSuffix("/services/web-standby.port"))
		Expect(u.Text).NotTo(ContainSubstring("[Install]"))
	})

	It("shares the user between the slots, also when the name is long", func() {
		r := web()
		r.Service = strings.Repeat("w", 40)
		primary, err := render(v1.Primary, 257, r)
		Expect(err).NotTo(HaveOccurred())
		standby, err := render(v1.Standby, 257, r)
		Expect(err).NotTo(HaveOccurred())
		user := linesOf(primary.Text, "User=")
		Expect(user).To(HaveLen(1))
		Expect(len(user[0])).To(BeNumerically("<=", len("User=")+31))
		Expect(linesOf(standby.Text, "User=")).To(Equal(user))
	})

	DescribeTable("refuses what cannot be written safely", func(change func(*v1.Release), says string) {
		r := web().Default()
		change(&r)
		_, err := systemd.Render(providers.UnitSpec{Service: r.Service, Slot: v1.Primary, Release: &r}, options(257))
		Expect(err).To(MatchError(ContainSubstring(says)))
	},
		Entry("newline in an argument", func(r *v1.Release) { r.Exec.Args = []string{"a\nExecStartPre=/bin/evil"} }, "newline"),
		Entry("NUL in an argument", func(r *v1.Release) { r.Exec.Args = []string{"a\x00"} }, "NUL"),
		Entry("not UTF-8", func(r *v1.Release) { r.Exec.Args = []string{"\xff"} }, "UTF-8"),
		Entry("a line that systemd would not read", func(r *v1.Release) { r.Exec.Args = []string{strings.Repeat("%", 600_000)} }, "longer"),
		Entry("newline in the user", func(r *v1.Release) { r.Exec.User = "a\nUser=root" }, "newline"),
		Entry("space in the group", func(r *v1.Release) { r.Exec.Group = "a b" }, "exec.group"),
		Entry("a command that climbs out", func(r *v1.Release) { r.Exec.Command = v1.Command{"../../bin/sh"} }, "exec.command"),
		Entry("a command that climbs out later", func(r *v1.Release) { r.Exec.Command = v1.Command{"bin/../../x"} }, "exec.command"),
		Entry("an absolute command with dots", func(r *v1.Release) { r.Exec.Command = v1.Command{"/nix/store/../../bin/sh"} }, "exec.command"),
		Entry("no command", func(r *v1.Release) { r.Exec.Command = nil }, "exec.command"),
		Entry("a quote in the command", func(r *v1.Release) { r.Exec.Command = v1.Command{`bin/a"b`} }, "exec.command"),
		Entry("two units in one after", func(r *v1.Release) { r.Systemd.After = []string{"a.service b.service"} }, "systemd.after"),
		Entry("newline in requires", func(r *v1.Release) { r.Systemd.Requires = []string{"a\nb"} }, "systemd.requires"),
		Entry("a trailing backslash", func(r *v1.Release) { r.Systemd.Restart = `always\` }, "systemd.restart"),
		Entry("a state directory elsewhere", func(r *v1.Release) { r.StateDirectory = "../etc" }, "stateDirectory"),
		Entry("a state directory with a second name", func(r *v1.Release) { r.StateDirectory = "a:b" }, "stateDirectory"),
		Entry("newline in a limit", func(r *v1.Release) { r.Resources.MemoryMax = "1M\nUser=root" }, "newline"),
		Entry("an unknown profile", func(r *v1.Release) { r.Hardening.Profile = "lax" }, "profile"),
		Entry("an unknown allow word", func(r *v1.Release) { r.Hardening.Allow = []string{"everything"} }, "everything"),
	)

	It("refuses names that are no service names", func() {
		for _, name := range []string{"", "../web", "Web", "web\n", "-web", "a b", strings.Repeat("a", 41)} {
			r := web().Default()
			_, err := systemd.Render(providers.UnitSpec{Service: name, Slot: v1.Primary, Release: &r}, options(257))
			Expect(err).To(HaveOccurred(), "%q", name)
		}
	})

	It("has a meaning for every allow word, and each lifts something of strict", func() {
		strict := web()
		strict.Hardening.Profile = v1.ProfileStrict
		plain, err := render(v1.Primary, 257, strict)
		Expect(err).NotTo(HaveOccurred())
		for _, word := range v1.AllowWords() {
			strict.Hardening.Allow = []string{word.Word}
			u, err := render(v1.Primary, 257, strict)
			Expect(err).NotTo(HaveOccurred(), word.Word)
			Expect(u.Text).NotTo(Equal(plain.Text), word.Word)
			for _, directive := range strings.FieldsFunc(word.Lifts, func(r rune) bool { return strings.ContainsRune(" ,;:", r) }) {
				lines := linesOf(plain.Text, directive+"=")
				if len(lines) > 0 {
					Expect(linesOf(u.Text, directive+"=")).NotTo(Equal(lines), "%s lifts %s", word.Word, directive)
				}
			}
		}
	})
})

func linesOf(text, prefix string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			out = append(out, strings.TrimSuffix(line, "\n"))
		}
	}
	return out
}
