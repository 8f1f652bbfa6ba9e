package releases_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/releases"
	"deployer/test/env"
)

var _ = Describe("the conformance of the release directories", func() {
	conformance.Releases(func() providers.Releases {
		return releases.New(releases.Options{Paths: providers.Paths{StateDir: GinkgoT().TempDir()}})
	})
})

var _ = Describe("release directories", func() {
	var (
		paths  providers.Paths
		d      *releases.Directory
		one    = conformance.Staging("web", 1)
		two    = conformance.Staging("web", 2)
		first  = one.Instance.String()
		second = two.Instance.String()
	)
	at := func(parts ...string) string {
		return filepath.Join(append([]string{paths.Releases(), "web"}, parts...)...)
	}
	observe := func(d *releases.Directory) providers.ReleaseFacts {
		GinkgoHelper()
		facts, err := d.Observe(GinkgoT().Context(), "web")
		Expect(err).NotTo(HaveOccurred())
		return facts
	}
	BeforeEach(func() {
		paths = providers.Paths{StateDir: filepath.Join(GinkgoT().TempDir(), "state")}
		d = releases.New(releases.Options{Paths: paths})
	})

	It("writes the files that a unit names, readable as they must be, whatever the umask", func(ctx SpecContext) {
		defer syscall.Umask(syscall.Umask(0o077))
		Expect(d.Stage(ctx, one)).To(Succeed())
		Expect(d.Point(ctx, "web", v1.Primary, first)).To(Succeed())
		Expect(d.Shift(ctx, "web", 8080)).To(Succeed())
		Expect(os.Readlink(at("primary"))).To(Equal(first))
		Expect(os.Readlink(at("primary", "root"))).To(Equal(one.Release.StorePath))
		Expect(os.ReadFile(at("primary", "env"))).To(BeEquivalentTo("N=\"1\"\nPORT=\"8080\"\n"))
		Expect(os.ReadFile(at("primary", "secrets"))).To(BeEquivalentTo("TOKEN=secret\n"))
		Expect(os.ReadFile(at("primary", "revision"))).To(BeEquivalentTo(first))
		Expect(os.ReadFile(paths.Upstream("web"))).To(BeEquivalentTo("127.0.0.1:8080\n"))
		for name, mode := range map[string]fs.FileMode{
			at(): fs.ModeDir | 0o755, at(first): fs.ModeDir | 0o755, at(first, "release.json"): 0o600, at(first, "env"): 0o600,
			at(first, "secrets"): 0o600, at(first, "revision"): 0o644, paths.Upstream("web"): 0o644,
		} {
			info, err := os.Lstat(name)
			Expect(err).NotTo(HaveOccurred())
			Expect(info.Mode()).To(Equal(mode), name)
		}
	})

	It("has an empty secrets file when there are none", func(ctx SpecContext) {
		plain := one
		plain.Instance.Secrets, plain.Secrets = v1.NoSecrets, providers.Secret{Fingerprint: v1.NoSecrets}
		Expect(d.Stage(ctx, plain)).To(Succeed())
		Expect(os.ReadFile(at(plain.Instance.String(), "secrets"))).To(BeEmpty())
		Expect(observe(d).Staged).To(HaveLen(1))
	})

	It("leaves a directory alone that says the same already", func(ctx SpecContext) {
		Expect(d.Stage(ctx, one)).To(Succeed())
		before, err := os.Stat(at(first))
		Expect(err).NotTo(HaveOccurred())
		Expect(d.Stage(ctx, one)).To(Succeed())
		after, err := os.Stat(at(first))
		Expect(err).NotTo(HaveOccurred())
		Expect(os.SameFile(before, after)).To(BeTrue())
	})

	DescribeTable("takes a directory that is not whole for not staged, and stages it again with its verdict",
		func(ctx SpecContext, harm func(dir string) error) {
			Expect(d.Stage(ctx, one)).To(Succeed())
			Expect(d.Point(ctx, "web", v1.Primary, first)).To(Succeed())
			Expect(d.Stage(ctx, two)).To(Succeed())
			Expect(observe(d).Staged).To(HaveLen(2))
			Expect(harm(at(first))).To(Succeed())
			Expect(observe(d).Staged).To(And(HaveLen(1), HaveKey(second)))
			Expect(observe(d).Pointers).To(HaveKeyWithValue(v1.Primary, first))
			Expect(d.Stage(ctx, one)).To(Succeed())
			Expect(observe(d).Staged).To(HaveLen(2))
			Expect(observe(releases.New(releases.Options{Paths: paths})).Staged).To(HaveLen(2))
		},
		Entry("no release.json", func(dir string) error { return os.Remove(dir + "/release.json") }),
		Entry("a torn release.json", func(dir string) error { return os.Truncate(dir+"/release.json", 100) }),
		Entry("an empty release.json", func(dir string) error { return os.Truncate(dir+"/release.json", 0) }),
		Entry("another release's release.json", func(dir string) error {
			other, err := os.ReadFile(filepath.Dir(dir) + "/" + second + "/release.json")
			return errors.Join(err, os.WriteFile(dir+"/release.json", other, 0o600))
		}),
		Entry("a directory as release.json", func(dir string) error {
			return errors.Join(os.Remove(dir+"/release.json"), os.Mkdir(dir+"/release.json", 0o755))
		}),
		Entry("an edited env", func(dir string) error { return os.WriteFile(dir+"/env", []byte("PORT=1\n"), 0o600) }),
		Entry("a readable env", func(dir string) error { return os.Chmod(dir+"/env", 0o644) }),
		Entry("readable secrets", func(dir string) error { return os.Chmod(dir+"/secrets", 0o644) }),
		Entry("no secrets", func(dir string) error { return os.Remove(dir + "/secrets") }),
		Entry("another revision", func(dir string) error { return os.WriteFile(dir+"/revision", []byte("x"), 0o644) }),
		Entry("a root elsewhere", func(dir string) error {
			return errors.Join(os.Remove(dir+"/root"), os.Symlink("/nix/store/elsewhere", dir+"/root"))
		}),
		Entry("a root that is a directory", func(dir string) error {
			return errors.Join(os.Remove(dir+"/root"), os.Mkdir(dir+"/root", 0o755))
		}),
		Entry("a file in place of the directory", func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o644))
		}),
	)

	It("keeps a verdict through the repair of the rest, and passes over one that is torn", func(ctx SpecContext) {
		Expect(d.Stage(ctx, one)).To(Succeed())
		Expect(d.Judge(ctx, "web", v1.Verdict{Instance: first, Result: v1.VerdictBad, Reason: "Exited"})).To(Succeed())
		info, err := os.Stat(at(first, "verdict"))
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode()).To(Equal(fs.FileMode(0o600)))
		Expect(os.Chmod(at(first, "env"), 0o644)).To(Succeed())
		Expect(d.Stage(ctx, one)).To(Succeed())
		Expect(observe(d).Staged[first].Verdict).To(HaveField("Reason", "Exited"))

		Expect(os.WriteFile(at(first, "verdict"), []byte(`{"instance":`), 0o600)).To(Succeed())
		Expect(observe(d).Staged).To(HaveKey(first))
		Expect(observe(d).Staged[first].Verdict).To(BeNil())
	})

	It("is not disturbed by what is not its own", func(ctx SpecContext) {
		Expect(d.Stage(ctx, one)).To(Succeed())
		Expect(d.Shift(ctx, "web", 8080)).To(Succeed())
		for _, name := range []string{".tmp-x", "UPPER", "a b", "lost+found"} {
			Expect(os.Mkdir(at(name), 0o755)).To(Succeed())
			Expect(os.WriteFile(filepath.Join(paths.Upstreams(), name), []byte("127.0.0.1:1\n"), 0o644)).To(Succeed())
		}
		Expect(os.Symlink("/etc", at("link"))).To(Succeed())
		Expect(os.Symlink("../other/release", at("standby"))).To(Succeed())
		facts := observe(d)
		Expect(facts.Staged).To(HaveLen(1))
		Expect(facts.Pointers).To(BeEmpty())
		Expect(d.Services(ctx)).To(Equal([]string{"web"}))
	})

	It("points over whatever is in the pointer's place", func(ctx SpecContext) {
		Expect(d.Stage(ctx, one)).To(Succeed())
		Expect(os.MkdirAll(at("primary", "full"), 0o755)).To(Succeed())
		Expect(observe(d).Pointers).To(BeEmpty())
		Expect(d.Point(ctx, "web", v1.Primary, first)).To(Succeed())
		Expect(observe(d).Pointers).To(HaveKeyWithValue(v1.Primary, first))
	})

	DescribeTable("gives no upstream that Caddy could not dial, and writes it again", func(ctx SpecContext, content string) {
		Expect(d.Shift(ctx, "web", 8080)).To(Succeed())
		Expect(os.WriteFile(paths.Upstream("web"), []byte(content), 0o644)).To(Succeed())
		Expect(observe(d).Upstream).To(BeEmpty())
		Expect(d.Shift(ctx, "web", 8080)).To(Succeed())
		Expect(os.ReadFile(paths.Upstream("web"))).To(BeEquivalentTo("127.0.0.1:8080\n"))
	},
		Entry("empty", ""),
		Entry("no newline", "127.0.0.1:8080"),
		Entry("two newlines", "127.0.0.1:8080\n\n"),
		Entry("a blank", "127.0.0.1:8080 \n"),
		Entry("carriage return", "127.0.0.1:8080\r\n"),
		Entry("another host", "10.0.0.1:8080\n"),
		Entry("no port", "127.0.0.1:\n"),
		Entry("port 0", "127.0.0.1:0\n"),
		Entry("a port too high", "127.0.0.1:65536\n"),
		Entry("leading zero", "127.0.0.1:08080\n"),
		Entry("a sign", "127.0.0.1:+8080\n"),
		Entry("long", strings.Repeat("127.0.0.1:8080\n", 10000)),
	)

	It("writes the upstream file again when others may not read it, or it is a link", func(ctx SpecContext) {
		Expect(d.Shift(ctx, "web", 8080)).To(Succeed())
		Expect(os.Chmod(paths.Upstream("web"), 0o600)).To(Succeed())
		Expect(d.Shift(ctx, "web", 8080)).To(Succeed())
		victim := filepath.Join(GinkgoT().TempDir(), "victim")
		Expect(os.WriteFile(victim, []byte("127.0.0.1:8080\n"), 0o644)).To(Succeed())
		Expect(os.Remove(paths.Upstream("web"))).To(Succeed())
		Expect(os.Symlink(victim, paths.Upstream("web"))).To(Succeed())
		Expect(observe(d).Upstream).To(BeEmpty())
		Expect(d.Shift(ctx, "web", 9090)).To(Succeed())
		Expect(os.ReadFile(victim)).To(BeEquivalentTo("127.0.0.1:8080\n"))
		info, err := os.Lstat(paths.Upstream("web"))
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode()).To(Equal(fs.FileMode(0o644)))
	})

	It("is never without an upstream file, a pointer or a whole release while they change", func(ctx SpecContext) {
		Expect(d.Stage(ctx, one)).To(Succeed())
		Expect(d.Stage(ctx, two)).To(Succeed())
		Expect(d.Point(ctx, "web", v1.Primary, first)).To(Succeed())
		Expect(d.Shift(ctx, "web", 8080)).To(Succeed())
		stop := make(chan struct{})
		var reader sync.WaitGroup
		var broken error
		reader.Go(func() {
			for broken == nil {
				select {
				case <-stop:
					return
				default:
					broken = readAsOthersDo(paths)
				}
			}
		})
		for i := range 30 {
			again := one
			again.StandbyPort += i
			Expect(d.Stage(ctx, again)).To(Succeed())
			Expect(d.Point(ctx, "web", v1.Primary, []string{first, second}[i%2])).To(Succeed())
			Expect(d.Shift(ctx, "web", 8080+i%10)).To(Succeed())
		}
		close(stop)
		reader.Wait()
		Expect(broken).NotTo(HaveOccurred())
	})

	It("cleans up what a crash left", func(ctx SpecContext) {
		Expect(os.MkdirAll(at(".tmp-"+first, "env"), 0o755)).To(Succeed())
		Expect(os.MkdirAll(at(".tmp-gone"), 0o755)).To(Succeed())
		Expect(os.MkdirAll(paths.Upstreams(), 0o755)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(paths.Upstreams(), ".tmp-web"), []byte("127"), 0o600)).To(Succeed())
		Expect(d.Stage(ctx, one)).To(Succeed())
		Expect(d.Shift(ctx, "web", 8080)).To(Succeed())
		for dir, names := range map[string][]string{at(): {first}, paths.Upstreams(): {"web"}} {
			entries, err := os.ReadDir(dir)
			Expect(err).NotTo(HaveOccurred())
			Expect(entries).To(HaveLen(len(names)))
			Expect(entries[0].Name()).To(Equal(names[0]))
		}
	})

	DescribeTable("refuses names that lead elsewhere, with nothing done", func(ctx SpecContext, name string) {
		bad := one
		bad.Release.Service = name
		Expect(d.Stage(ctx, bad)).NotTo(Succeed())
		Expect(d.Shift(ctx, name, 8080)).NotTo(Succeed())
		Expect(d.Forget(ctx, name)).NotTo(Succeed())
		Expect(d.Point(ctx, name, v1.Primary, "")).NotTo(Succeed())
		_, err := d.Observe(ctx, name)
		Expect(err).To(HaveOccurred())
		Expect(d.Discard(ctx, "web", name)).NotTo(Succeed())
		_, err = os.Lstat(paths.StateDir)
		Expect(err).To(MatchError(fs.ErrNotExist))
	},
		Entry("nothing", ""), Entry("up", ".."), Entry("here", "."), Entry("a path", "a/b"), Entry("out", "../../etc"),
		Entry("absolute", "/etc"), Entry("hidden", ".tmp-web"), Entry("upper case", "Web"), Entry("a line break", "a\nb"),
	)

	It("does not discard a pointer, nor point a slot that does not exist", func(ctx SpecContext) {
		Expect(d.Stage(ctx, one)).To(Succeed())
		Expect(d.Point(ctx, "web", v1.Primary, first)).To(Succeed())
		Expect(d.Discard(ctx, "web", "primary")).NotTo(Succeed())
		Expect(d.Point(ctx, "web", "third", first)).NotTo(Succeed())
		Expect(observe(d).Pointers).To(HaveLen(1))
	})

	It("leaves everything as it was when the disk is full", func(ctx SpecContext) {
		Expect(os.MkdirAll(paths.StateDir, 0o755)).To(Succeed())
		if err := syscall.Mount("tmpfs", paths.StateDir, "tmpfs", 0, "size=128k"); err != nil {
			env.Lacks(GinkgoT(), "root, to mount a small file system: %v", err)
		}
		DeferCleanup(syscall.Unmount, paths.StateDir, 0)
		Expect(d.Stage(ctx, one)).To(Succeed())
		Expect(d.Shift(ctx, "web", 8080)).To(Succeed())
		big := two
		big.Secrets.Content = make([]byte, 1<<20)
		Expect(d.Stage(ctx, big)).To(MatchError(providers.ErrUnavailable))
		big = one
		big.Secrets.Content = make([]byte, 1<<20)
		Expect(d.Stage(ctx, big)).To(MatchError(providers.ErrUnavailable))
		Expect(observe(d).Staged).To(And(HaveLen(1), HaveKey(first)))
		Expect(os.ReadFile(at(first, "secrets"))).To(BeEquivalentTo("TOKEN=secret\n"))
		entries, err := os.ReadDir(at())
		Expect(err).NotTo(HaveOccurred())
		Expect(entries).To(HaveLen(1))
	})
})
