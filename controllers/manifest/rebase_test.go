package manifest_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
)

var _ = Describe("bringing an edit onto a newer manifest", func() {
	var base, mine, now *v1.Manifest
	BeforeEach(func() {
		web := worker("web")
		web.Env = map[string]string{"A": "1", "B": "1"}
		web.HTTP = &v1.HTTP{Domain: "www.example.com", InternalPort: 8080}
		base = &v1.Manifest{Version: 1, Generation: 8, Services: []v1.Service{web, worker("api"), worker("db")}}
		mine, now = base.Clone(), base.Clone()
		now.Generation = 9
	})
	rebase := func() error {
		return manifest.Rebase(now, manifest.RebaseOptions{Base: base, Mine: mine, By: "ann@laptop"})
	}

	It("changes nothing where nothing was edited", func() {
		now.Service("web").Env["A"] = "2"
		before := now.Clone()
		Expect(rebase()).To(Succeed())
		Expect(now).To(Equal(before))
	})

	It("is the edit itself where nobody else wrote", func() {
		mine.Service("web").Env = map[string]string{"A": "2", "C": "1"}
		mine.Service("web").Artifact = nil
		mine.Service("api").Health = &v1.Health{TCP: true, Interval: v1.Duration(time.Second)}
		mine.Services = append(mine.Services, worker("new"))
		at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
		mine.Expires = &at
		Expect(rebase()).To(Succeed())
		Expect(now.Services).To(Equal(mine.Services))
		Expect(now.Expires).To(Equal(&at))
	})

	It("removes what is no longer listed, and says so to the hosts", func() {
		mine.Services = mine.Services[:1]
		Expect(rebase()).To(Succeed())
		Expect(names(now)).To(Equal([]string{"web"}))
		Expect(now.Removed).To(ConsistOf(
			v1.Removal{Name: "api", Generation: 9, By: "ann@laptop"}, v1.Removal{Name: "db", Generation: 9, By: "ann@laptop"}))
	})

	It("removes what was put on the list of those that are to go", func() {
		mine.Removed = []v1.Removal{{Name: "old"}}
		Expect(rebase()).To(Succeed())
		Expect(now.IsRemoved("old")).To(BeTrue())
	})

	It("keeps what others did to the same service, field by field", func() {
		manifest.SetRelease(now.Service("web"), pathTwo, "abc")
		now.Service("web").Env["B"] = "2"
		now.Service("web").HTTP.Aliases = []string{"example.com"}
		mine.Service("web").Env["A"] = "2"
		mine.Service("web").HTTP.Domain = "www.example.org"
		Expect(rebase()).To(Succeed())
		s := now.Service("web")
		Expect(s.Artifact.StorePath).To(Equal(pathTwo))
		Expect(s.Commit).To(Equal("abc"))
		Expect(s.Env).To(Equal(map[string]string{"A": "2", "B": "2"}))
		Expect(*s.HTTP).To(Equal(v1.HTTP{Domain: "www.example.org", Aliases: []string{"example.com"}, InternalPort: 8080}))
	})

	It("agrees with others who did the same", func() {
		for _, m := range []*v1.Manifest{mine, now} {
			m.Service("web").Env["A"] = "2"
			manifest.Put(m, worker("new"))
			Expect(manifest.Remove(m, "db", "bob")).To(Succeed())
		}
		before := now.Clone()
		Expect(rebase()).To(Succeed())
		Expect(now).To(Equal(before))
	})

	DescribeTable("names what both changed in two ways", func(theirs, ours func(m *v1.Manifest), paths ...string) {
		theirs(now)
		ours(mine)
		err := rebase()
		var conflict *manifest.ConflictError
		Expect(err).To(BeAssignableToTypeOf(conflict))
		Expect(err.(*manifest.ConflictError).Paths).To(Equal(paths)) //nolint:errorlint // not wrapped
	},
		Entry("a field", set("A", "2"), set("A", "3"), "web.env.A"),
		Entry("a field that one of them took away", set("A", "2"), func(m *v1.Manifest) { delete(m.Service("web").Env, "A") }, "web.env.A"),
		Entry("a list", hosts("biz", "second"), hosts("second"), "web.hosts"),
		Entry("several", func(m *v1.Manifest) { set("A", "2")(m); hosts("x")(m) }, func(m *v1.Manifest) { set("A", "3")(m); hosts("y")(m) }, "web.env.A", "web.hosts"),
		Entry("a new service", func(m *v1.Manifest) { manifest.Put(m, worker("new")) },
			func(m *v1.Manifest) { s := worker("new"); s.Protect = true; manifest.Put(m, s) }, "new"),
		Entry("a service that others removed", func(m *v1.Manifest) { _ = manifest.Remove(m, "web", "bob") }, set("A", "2"), "web"),
		Entry("a service that we removed", set("A", "2"), func(m *v1.Manifest) { m.Services = m.Services[1:] }, "web"),
	)

	It("does not remove what is protected", func() {
		base.Service("db").Protect, now.Service("db").Protect = true, true
		mine.Services = mine.Services[:2]
		Expect(rebase()).To(MatchError(ContainSubstring("db is protected")))
	})
})

func set(name, value string) func(m *v1.Manifest) {
	return func(m *v1.Manifest) { m.Service("web").Env[name] = value }
}

func hosts(names ...string) func(m *v1.Manifest) {
	return func(m *v1.Manifest) { m.Service("web").Hosts = names }
}
