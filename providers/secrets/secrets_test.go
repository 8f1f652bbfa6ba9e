package secrets_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/secrets"
	"deployer/test/env"
)

// paths are below a directory of the spec, which nobody else may write to.
func paths() providers.Paths {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	p := providers.Paths{StateDir: filepath.Join(dir, "state"), SecretsDir: filepath.Join(dir, "secrets")}
	Expect(os.Mkdir(p.SecretsDir, 0o700)).To(Succeed())
	return p
}

func write(path, content string, mode fs.FileMode) {
	GinkgoHelper()
	Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
	Expect(os.Chmod(path, mode)).To(Succeed())
}

func reason(s *secrets.Files, path string) string {
	GinkgoHelper()
	_, err := s.Read(context.Background(), path)
	Expect(err).To(HaveOccurred())
	Expect(err.Error()).NotTo(ContainSubstring("hunter2"))
	return providers.ReasonOf(err)
}

var _ = Describe("the conformance of the secrets files", func() {
	conformance.Secrets(func() conformance.SecretsHost {
		p := paths()
		return conformance.SecretsHost{
			Secrets: secrets.New(p),
			Path:    func(name string) string { return filepath.Join(p.SecretsDir, name) },
			Write:   write,
			Chown: func(path string, uid int) {
				GinkgoHelper()
				if os.Geteuid() != 0 {
					env.Lacks(GinkgoT(), "root, to give a file away: run as root")
				}
				Expect(os.Chown(path, uid, 0)).To(Succeed())
			},
			Symlink: func(path string) {
				GinkgoHelper()
				Expect(os.Rename(path, path+".real")).To(Succeed())
				Expect(os.Symlink(path+".real", path)).To(Succeed())
			},
		}
	})
})

var _ = Describe("secrets files", func() {
	var p providers.Paths
	var s *secrets.Files
	var web string
	BeforeEach(func() {
		p = paths()
		s = secrets.New(p)
		web = filepath.Join(p.SecretsDir, "web.env")
	})

	It("fingerprints alike after a restart, and differently on another host", func(ctx SpecContext) {
		write(web, "TOKEN=hunter2\n", 0o600)
		first, err := s.Read(ctx, web)
		Expect(err).NotTo(HaveOccurred())
		Expect(secrets.New(p).Read(ctx, web)).To(Equal(first))

		info, err := os.Stat(filepath.Join(p.StateDir, "host.key"))
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode()).To(Equal(fs.FileMode(0o600)))
		other := p
		other.StateDir = filepath.Join(GinkgoT().TempDir(), "other")
		Expect(secrets.New(other).Read(ctx, web)).NotTo(HaveField("Fingerprint", first.Fingerprint))
	})

	It("refuses a damaged key instead of rolling everything out anew", func() {
		write(web, "TOKEN=hunter2\n", 0o600)
		Expect(os.Mkdir(p.StateDir, 0o755)).To(Succeed())
		write(filepath.Join(p.StateDir, "host.key"), "short", 0o600)
		Expect(reason(s, web)).To(Equal(secrets.KeyBroken))
		Expect(os.ReadFile(filepath.Join(p.StateDir, "host.key"))).To(BeEquivalentTo("short"))
	})

	It("takes 0400, and files in directories below", func(ctx SpecContext) {
		Expect(os.Mkdir(filepath.Join(p.SecretsDir, "team"), 0o700)).To(Succeed())
		deep := filepath.Join(p.SecretsDir, "team", "web.env")
		write(deep, "TOKEN=hunter2\n", 0o400)
		Expect(s.Read(ctx, deep)).To(HaveField("Fingerprint", HaveLen(10)))
	})

	DescribeTable("refuses paths that lead elsewhere", func(path string) {
		Expect(reason(s, strings.ReplaceAll(path, "DIR", p.SecretsDir))).To(Equal(secrets.Misplaced))
	},
		Entry("another directory", "/etc/shadow"),
		Entry("upwards", "DIR/../state/host.key"),
		Entry("the directory itself", "DIR"),
		Entry("with a slash at the end", "DIR/"),
		Entry("a neighbour with the same beginning", "DIR-other/web.env"),
		Entry("relative", "web.env"),
	)

	It("follows no link in the middle either", func() {
		elsewhere := GinkgoT().TempDir()
		write(filepath.Join(elsewhere, "web.env"), "TOKEN=hunter2\n", 0o600)
		Expect(os.Symlink(elsewhere, filepath.Join(p.SecretsDir, "team"))).To(Succeed())
		Expect(reason(s, filepath.Join(p.SecretsDir, "team", "web.env"))).To(Equal(secrets.Symlink))
	})

	It("refuses a file in a directory in which others could replace it", func() {
		write(web, "TOKEN=hunter2\n", 0o600)
		Expect(os.Chmod(p.SecretsDir, 0o777)).To(Succeed())
		Expect(reason(s, web)).To(Equal(secrets.Exposed))
	})

	It("refuses what is no file, and hangs on none of it", func() {
		Expect(os.Mkdir(web, 0o700)).To(Succeed())
		Expect(reason(s, web)).To(Equal(secrets.Invalid))
		pipe := filepath.Join(p.SecretsDir, "pipe.env")
		Expect(syscall.Mkfifo(pipe, 0o600)).To(Succeed())
		Expect(reason(s, pipe)).To(Equal(secrets.Invalid))
	})

	It("names the line that systemd would pass over, and not its content", func() {
		write(web, "# fine\nTOKEN=hunter2\nhunter2hunter2\n", 0o600)
		_, err := s.Read(context.Background(), web)
		Expect(providers.ReasonOf(err)).To(Equal(secrets.Invalid))
		Expect(err).To(MatchError(ContainSubstring("line 3 of " + web)))
		Expect(err).NotTo(MatchError(ContainSubstring("hunter2")))
	})

	It("refuses a file that is far too long", func() {
		write(web, "TOKEN=hunter2"+strings.Repeat("x", secrets.MaxSize)+"\n", 0o600)
		Expect(reason(s, web)).To(Equal(secrets.Invalid))
	})
})
