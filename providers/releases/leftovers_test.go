package releases_test

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/releases"
)

var _ = Describe("the leftovers of the release directories", func() {
	var (
		paths providers.Paths
		d     *releases.Directory
	)
	BeforeEach(func() {
		paths = providers.Paths{StateDir: GinkgoT().TempDir()}
		d = releases.New(releases.Options{Paths: paths})
	})
	leave := func(parts ...string) string {
		GinkgoHelper()
		path := filepath.Join(parts...)
		Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		Expect(os.WriteFile(path, []byte("TOKEN=secret\n"), 0o600)).To(Succeed())
		return path
	}

	Context("of a shift", func() {
		conformance.Leftovers(func() conformance.LeftoversHost {
			return conformance.LeftoversHost{
				Leftovers: d,
				Leave:     func(service string) string { return leave(paths.Upstreams(), ".tmp-"+service) },
			}
		})
	})

	Context("of a staging", func() {
		conformance.Leftovers(func() conformance.LeftoversHost {
			return conformance.LeftoversHost{
				Leftovers: d,
				Leave: func(service string) string {
					return filepath.Dir(leave(paths.Releases(), service, ".tmp-1abc-none", "secrets"))
				},
			}
		})
	})

	Context("that are release directories", func() {
		conformance.Leftovers(func() conformance.LeftoversHost {
			return conformance.LeftoversHost{
				Leftovers: d,
				Leave: func(service string) string {
					return filepath.Dir(leave(paths.Releases(), service, "1abc-none", "secrets"))
				},
			}
		})
	})

	It("are neither whole releases, nor pointers, nor what is not ours", func(ctx SpecContext) {
		one := conformance.Staging("web", 1)
		Expect(d.Stage(ctx, one)).To(Succeed())
		Expect(d.Point(ctx, "web", v1.Primary, one.Instance.String())).To(Succeed())
		Expect(d.Shift(ctx, "web", 8080)).To(Succeed())
		leave(paths.Releases(), "web", "notes.txt")
		leave(paths.Releases(), "web", "file")
		leave(paths.Releases(), ".tmp-file")
		leave(paths.Upstreams(), ".hidden")
		Expect(d.Leftovers(ctx)).To(BeEmpty())
	})

	It("stay when they are whole by now, when a pointer names them, and when they are elsewhere", func(ctx SpecContext) {
		one := conformance.Staging("web", 1)
		name := one.Instance.String()
		Expect(d.Stage(ctx, one)).To(Succeed())
		Expect(d.Point(ctx, "web", v1.Primary, name)).To(Succeed())
		dir := filepath.Join(paths.Releases(), "web", name)
		Expect(d.Clear(ctx, providers.Leftover{Service: "web", Path: dir, Instance: name})).To(Succeed())
		Expect(dir).To(BeADirectory())

		Expect(os.Remove(filepath.Join(dir, "env"))).To(Succeed())
		left, err := d.Leftovers(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(left).To(Equal([]providers.Leftover{{Service: "web", Path: dir, Instance: name}}))
		Expect(d.Clear(ctx, left[0])).To(MatchError(providers.ErrConflict))
		Expect(dir).To(BeADirectory())

		foreign := leave(paths.StateDir, "other", ".tmp-web")
		for _, path := range []string{foreign, filepath.Join(paths.Releases(), "web", "..", "..", "other", ".tmp-web"), dir} {
			Expect(d.Clear(ctx, providers.Leftover{Service: "web", Path: path})).NotTo(Succeed())
		}
		Expect(foreign).To(BeARegularFile())
	})

	It("go by Tidy, too, with the secrets in them, and those of other services stay", func(ctx SpecContext) {
		one := conformance.Staging("web", 1)
		Expect(d.Stage(ctx, one)).To(Succeed())
		name := one.Instance.String()
		half := filepath.Dir(leave(paths.Releases(), "web", ".tmp-1abc-none", "secrets"))
		flip := filepath.Join(paths.Releases(), "web", ".tmp-primary")
		Expect(os.Symlink(name, flip)).To(Succeed())
		other := leave(paths.Releases(), "api", ".tmp-1abc-none", "secrets")
		notes := leave(paths.Releases(), "web", "notes.txt")

		facts, err := d.Observe(ctx, "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Unfinished).To(Equal([]string{filepath.Base(half), filepath.Base(flip)}))
		Expect(d.Tidy(ctx, "web")).To(Succeed())

		Expect(half).NotTo(BeAnExistingFile())
		_, err = os.Lstat(flip)
		Expect(err).To(MatchError(os.ErrNotExist))
		Expect(other).To(BeARegularFile())
		Expect(notes).To(BeARegularFile())
		facts, err = d.Observe(ctx, "web")
		Expect(err).NotTo(HaveOccurred())
		Expect(facts.Unfinished).To(BeEmpty())
		Expect(facts.Staged).To(HaveKey(name))
	})
})
