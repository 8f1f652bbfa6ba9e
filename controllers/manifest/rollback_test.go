package manifest_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("rolling back", func() {
	const pathThree = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-3"
	var (
		w *fake.World
		r *manifest.Repository
	)
	BeforeEach(func(ctx SpecContext) {
		w = fake.New()
		r = over(w.Store(), w)
		_, err := r.Init(ctx, by)
		Expect(err).NotTo(HaveOccurred())
	})
	edit := func(ctx context.Context, change func(*v1.Manifest) error) *manifest.Edited {
		GinkgoHelper()
		w.Clock.Advance(time.Second)
		e, err := r.Edit(ctx, manifest.EditOptions{By: "ann@laptop", AllowMassRemoval: true}, change)
		Expect(err).NotTo(HaveOccurred())
		return e
	}
	release := func(path string) func(*v1.Manifest) error {
		return alter(func(s *v1.Service) { manifest.SetRelease(s, path, "") })
	}
	// find looks for the way; go on writes it. In between a spec may write something else.
	find := func(ctx context.Context, o manifest.RollbackOptions) *manifest.Rollback {
		GinkgoHelper()
		o.By = "ann@laptop"
		way, err := r.Rollback(ctx, o)
		Expect(err).NotTo(HaveOccurred())
		return way
	}
	walk := func(ctx context.Context, way *manifest.Rollback) (*manifest.Edited, error) {
		w.Clock.Advance(time.Second)
		return r.Edit(ctx, manifest.EditOptions{By: "ann@laptop", Message: way.Message, Replace: true}, way.Edit)
	}
	back := func(ctx context.Context, o manifest.RollbackOptions) *v1.Manifest {
		GinkgoHelper()
		done, err := walk(ctx, find(ctx, o))
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Changed).To(BeTrue())
		return done.After
	}
	web := func(m *v1.Manifest) string { return m.Service("web").Artifact.StorePath }

	Describe("to the version before", func() {
		It("undoes the last write, and then the undoing", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(pathTwo))
			m := back(ctx, manifest.RollbackOptions{})
			Expect(web(m)).To(Equal(pathOne))
			Expect(m.Generation).To(BeEquivalentTo(4))
			Expect(m.Message).To(MatchRegexp(`^rollback to generation 2 \(manifest-\d+T\d+Z\.json\)$`))
			Expect(web(back(ctx, manifest.RollbackOptions{}))).To(Equal(pathTwo))
		})

		It("brings a lost manifest back", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(pathTwo))
			Expect(w.Store().Delete(ctx, manifest.Key)).To(Succeed())
			m := back(ctx, manifest.RollbackOptions{})
			Expect(web(m)).To(Equal(pathOne))
			Expect(m.Generation).To(BeEquivalentTo(4), "hosts have seen the lost one")
		})

		It("does nothing when somebody else undid the same at the same moment (F8)", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(pathTwo))
			edit(ctx, add("api")) // undoing this one removes api
			mine := find(ctx, manifest.RollbackOptions{})
			back(ctx, manifest.RollbackOptions{})
			done, err := walk(ctx, mine)
			Expect(err).NotTo(HaveOccurred())
			Expect(done.Changed).To(BeFalse())
			Expect(names(done.After)).To(Equal([]string{"web"}))
		})

		It("takes nobody's write back that it has not seen (F8)", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(pathTwo))
			mine := find(ctx, manifest.RollbackOptions{})
			edit(ctx, add("api"))
			_, err := walk(ctx, mine)
			Expect(providers.ReasonOf(err)).To(Equal("Overtaken"))
			Expect(err).To(MatchError(ContainSubstring("somebody else wrote after generation 3")))
			now, err := r.Read(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(names(now.Manifest)).To(Equal([]string{"web", "api"}))
			Expect(web(now.Manifest)).To(Equal(pathTwo))
		})
	})

	It("to a generation that is named, brings that one back whatever others wrote meanwhile", func(ctx SpecContext) {
		edit(ctx, add("web"))
		edit(ctx, release(pathTwo))
		mine := find(ctx, manifest.RollbackOptions{To: "2"})
		edit(ctx, release(pathThree))
		done, err := walk(ctx, mine)
		Expect(err).NotTo(HaveOccurred())
		Expect(web(done.After)).To(Equal(pathOne))
		expectHistory(ctx, r)
	})

	Describe("one service", func() {
		It("takes its release before, and leaves all else alone", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, add("api"))
			edit(ctx, release(pathTwo))
			edit(ctx, alter(func(s *v1.Service) { s.Protect = true })) // the same release
			edit(ctx, add("db"))
			m := back(ctx, manifest.RollbackOptions{Service: "web"})
			Expect(web(m)).To(Equal(pathOne))
			Expect(m.Service("web").Protect).To(BeTrue())
			Expect(names(m)).To(Equal([]string{"web", "api", "db"}))
			Expect(m.Message).To(MatchRegexp(`^rollback web to 0123456…-web-1 of generation 3 \(manifest-`))
		})

		It("goes back over an environment, for that is a release, too", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, alter(func(s *v1.Service) { s.Env = map[string]string{"AREA": "Test"} }))
			Expect(back(ctx, manifest.RollbackOptions{Service: "web"}).Service("web").Env).To(BeEmpty())
		})

		It("passes over releases that are known as bad, and over none that is named", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(pathTwo))
			edit(ctx, release(pathThree))
			var asked []string
			bad := func(_ string, rel v1.Release) []string {
				asked = append(asked, rel.Service+" "+rel.StorePath)
				if rel.StorePath == pathTwo {
					return []string{"biz"}
				}
				return nil
			}
			named := back(ctx, manifest.RollbackOptions{Service: "web", To: "3", Bad: bad})
			Expect(web(named)).To(Equal(pathTwo))
			Expect(asked).To(BeEmpty())
			edit(ctx, release(pathThree))
			way := find(ctx, manifest.RollbackOptions{Service: "web", Bad: bad})
			Expect(way.Skipped).To(HaveExactElements(And(
				HaveField("Version.Manifest.Generation", BeEquivalentTo(5)), HaveField("Hosts", []string{"biz"}), HaveField("Revision", Not(BeEmpty())))),
				"it was in force twice, and is told once")
			done, err := walk(ctx, way)
			Expect(err).NotTo(HaveOccurred())
			Expect(web(done.After)).To(Equal(pathOne))
			Expect(asked).To(Equal([]string{"web " + pathTwo, "web " + pathTwo, "web " + pathOne}), "it was in force twice")
			_, err = r.Rollback(ctx, manifest.RollbackOptions{Service: "web", Bad: func(string, v1.Release) []string { return []string{"ava"} }})
			Expect(err).To(MatchError(MatchRegexp(`no other release of web than those that a host judged bad \(\S+ of generation \d+ \S+ on ava`)))
		})

		It("finds a release that is far back, and lays no weight on the clocks of writers", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(pathTwo))
			for n := range 40 {
				w.Clock.Jump([]time.Duration{0, 7 * time.Second, -8 * time.Second}[n%3])
				edit(ctx, add(serviceName("s", n)))
			}
			Expect(web(back(ctx, manifest.RollbackOptions{Service: "web"}))).To(Equal(pathOne))
		})

		It("brings one back that was removed", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, add("api"))
			edit(ctx, remove("web"))
			m := back(ctx, manifest.RollbackOptions{Service: "web"})
			Expect(web(m)).To(Equal(pathOne))
			Expect(m.IsRemoved("web")).To(BeFalse())
		})

		DescribeTable("says why there is nothing to go back to", func(ctx SpecContext, o manifest.RollbackOptions, says string) {
			edit(ctx, func(m *v1.Manifest) error {
				s := worker("web")
				s.Artifact = nil
				manifest.Put(m, s)
				return nil
			})
			edit(ctx, release(pathOne))
			_, err := r.Rollback(ctx, o)
			Expect(err).To(MatchError(ContainSubstring(says)))
		},
			Entry(nil, manifest.RollbackOptions{Service: "web"}, "the archive has no other release of web; `deploy-manifest history web` shows"),
			Entry(nil, manifest.RollbackOptions{Service: "wbe"}, "the manifest has no service wbe; it has web"),
			Entry(nil, manifest.RollbackOptions{Service: "web", To: "2"}, "had no release of web yet"),
			Entry(nil, manifest.RollbackOptions{Service: "web", To: "1"}, "generation 1 (manifest-20260101T120000Z.json): the manifest has no service web"),
			Entry(nil, manifest.RollbackOptions{To: "7"}, "there is no generation 7"),
		)

		It("does nothing when somebody else took the same release back (F8)", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(pathTwo))
			mine := find(ctx, manifest.RollbackOptions{Service: "web"})
			back(ctx, manifest.RollbackOptions{Service: "web"})
			done, err := walk(ctx, mine)
			Expect(err).NotTo(HaveOccurred())
			Expect(done.Changed).To(BeFalse())
			Expect(web(done.After)).To(Equal(pathOne))
		})

		It("takes no fix back that somebody pushed meanwhile, and nobody's other edit (F8)", func(ctx SpecContext) {
			edit(ctx, add("web"))
			edit(ctx, release(pathTwo))
			mine := find(ctx, manifest.RollbackOptions{Service: "web"})
			edit(ctx, add("api"))
			edit(ctx, alter(func(s *v1.Service) { s.Protect = true }))
			done, err := walk(ctx, mine)
			Expect(err).NotTo(HaveOccurred())
			Expect(web(done.After)).To(Equal(pathOne))
			Expect(done.After.Service("web").Protect).To(BeTrue())
			Expect(names(done.After)).To(Equal([]string{"web", "api"}))

			edit(ctx, release(pathTwo))
			mine = find(ctx, manifest.RollbackOptions{Service: "web"})
			edit(ctx, release(pathThree))
			_, err = walk(ctx, mine)
			Expect(err).To(MatchError(ContainSubstring("somebody else gave web another release meanwhile, 0123456…-web-3, so nothing was written")))
			edit(ctx, alter(func(s *v1.Service) { s.Protect = false }))
			mine = find(ctx, manifest.RollbackOptions{Service: "web"})
			edit(ctx, remove("web"))
			_, err = walk(ctx, mine)
			Expect(err).To(MatchError(ContainSubstring("somebody else removed web meanwhile")))
		})
	})
})
