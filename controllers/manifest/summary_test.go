package manifest_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
	"deployer/providers/fake"
)

// alter is an edit of web.
func alter(change func(s *v1.Service)) func(*v1.Manifest) error {
	return func(m *v1.Manifest) error {
		change(m.Service("web"))
		return nil
	}
}

var _ = Describe("what a write says that it changed", func() {
	const commit = "3f2a9c1d7be0c5a1f2d3e4b5a6978812345678ab"
	DescribeTable("is a line for each service, and a message when nobody gives one",
		func(ctx SpecContext, change func(*v1.Manifest) error, lines []string, message string) {
			w := fake.New()
			r := over(w.Store(), w)
			_, err := r.Init(ctx, by)
			Expect(err).NotTo(HaveOccurred())
			for _, name := range []string{"web", "api"} {
				w.Clock.Advance(time.Second)
				_, err := r.Edit(ctx, by, add(name))
				Expect(err).NotTo(HaveOccurred())
			}
			_, err = r.Edit(ctx, by, alter(func(s *v1.Service) { s.Commit = "v1" }))
			Expect(err).NotTo(HaveOccurred())
			w.Clock.Advance(time.Second)
			done, err := r.Edit(ctx, manifest.EditOptions{By: "ann@laptop", AllowMassRemoval: true}, change)
			Expect(err).NotTo(HaveOccurred())
			var said []string
			for _, c := range manifest.Summarise(done.Before, done.After) {
				said = append(said, strings.TrimPrefix(c.Service+": "+c.Summary, ": "))
			}
			Expect(said).To(Equal(lines))
			Expect(done.After.Message).To(Equal(message))
		},
		Entry("a new release with its commit", alter(func(s *v1.Service) { manifest.SetRelease(s, pathTwo, commit) }),
			[]string{"web: release v1 → 3f2a9c1"}, "update web to 3f2a9c1"),
		Entry("a new release without one", alter(func(s *v1.Service) { manifest.SetRelease(s, pathTwo, "") }),
			[]string{"web: release v1 → 0123456…-web-2"}, "update web to 0123456…-web-2"),
		Entry("a release and fields", alter(func(s *v1.Service) {
			manifest.SetRelease(s, pathTwo, "v1.2-rc")
			s.Env = map[string]string{"AREA": "Live"}
		}), []string{"web: release v1 → v1.2-rc; env.AREA"}, "update web to v1.2-rc and set env.AREA"),
		Entry("no release any more", alter(func(s *v1.Service) { s.Artifact = nil }),
			[]string{"web: release v1 → none"}, "take the release of web away"),
		Entry("fields", alter(func(s *v1.Service) {
			s.Protect = true
			s.Env = map[string]string{"A": "1", "B": "2", "C": "3", "D": "4", "E": "5", "F": "6"}
		}), []string{"web: env.A, env.B, env.C, env.D, env.E, env.F, …"}, "set web env.A, env.B, env.C, env.D, …"),
		Entry("a field that is cleared", alter(func(s *v1.Service) { s.Commit = "" }), []string{"web: commit"}, "clear web commit"),
		Entry("a service more", add("db"), []string{"db: added on biz"}, "add db"),
		Entry("a service less", remove("web"), []string{"web: removed"}, "remove web"),
		Entry("one that only a host knows", remove("old"), []string{"old: removed"}, "remove old"),
		Entry("a field of the document", func(m *v1.Manifest) error {
			at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
			m.Expires = &at
			return nil
		}, []string{"expires"}, "set expires"),
		Entry("all of that", func(m *v1.Manifest) error {
			manifest.Put(m, worker("db"))
			manifest.SetRelease(m.Service("web"), pathTwo, commit)
			return manifest.Remove(m, "api", "ann@laptop")
		}, []string{"web: release v1 → 3f2a9c1", "db: added on biz", "api: removed"}, "add db; remove api; update web to 3f2a9c1"),
	)

	It("says of a service that is wanted again only that", func() {
		before := &v1.Manifest{Removed: []v1.Removal{{Name: "web"}, {Name: "api"}}}
		after := &v1.Manifest{Services: []v1.Service{worker("web")}}
		said := manifest.Summarise(before, after)
		Expect(said).To(HaveLen(2))
		Expect(said[0].Summary).To(Equal("added on biz"))
		Expect(said[1].Summary).To(Equal("no longer listed in removed"))
	})

	It("is never too long for the manifest", func(ctx SpecContext) {
		w := fake.New()
		r := over(w.Store(), w)
		_, err := r.Init(ctx, by)
		Expect(err).NotTo(HaveOccurred())
		_, err = r.Edit(ctx, manifest.EditOptions{}, func(m *v1.Manifest) error {
			for i := range 60 {
				manifest.Put(m, worker(serviceName("s", i)))
			}
			return nil
		})
		Expect(err).NotTo(HaveOccurred())
		long := strings.Repeat("A", 200)
		done, err := r.Edit(ctx, manifest.EditOptions{}, func(m *v1.Manifest) error {
			for i := range m.Services {
				m.Services[i].Env = map[string]string{long: "1", long + "B": "2", long + "C": "3", long + "D": "4"}
			}
			return nil
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(len(done.After.Message)).To(BeNumerically("<", 600))
	})
})
