package manifest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("Repository", func() {
	var (
		w *fake.World
		r *manifest.Repository
	)
	BeforeEach(func() {
		w = fake.New()
		r = over(w.Store(), w)
	})
	initialise := func(ctx context.Context) *v1.Manifest {
		GinkgoHelper()
		m, err := r.Init(ctx, by)
		Expect(err).NotTo(HaveOccurred())
		return m
	}
	edit := func(ctx context.Context, change func(*v1.Manifest) error) *manifest.Edited {
		GinkgoHelper()
		w.Clock.Advance(time.Second)
		e, err := r.Edit(ctx, by, change)
		Expect(err).NotTo(HaveOccurred())
		return e
	}

	It("makes the first manifest and never overwrites one", func(ctx SpecContext) {
		m := initialise(ctx)
		Expect(m.Generation).To(BeEquivalentTo(1))
		Expect(m.Lineage).To(HaveLen(16))
		before := content(ctx, w, manifest.Key)
		_, err := r.Init(ctx, by)
		Expect(err).To(MatchError(providers.ErrConflict))
		Expect(err).To(MatchError(ContainSubstring("left as it is")))
		Expect(content(ctx, w, manifest.Key)).To(Equal(before))
	})

	It("leaves a foreign manifest.json as it is", func(ctx SpecContext) {
		put(ctx, w, manifest.Key, "not ours")
		_, err := r.Init(ctx, by)
		Expect(err).To(MatchError(providers.ErrConflict))
		Expect(content(ctx, w, manifest.Key)).To(Equal("not ours"))
	})

	It("says the way out when there is no manifest", func(ctx SpecContext) {
		_, err := r.Read(ctx)
		Expect(err).To(MatchError(providers.ErrNotFound))
		Expect(err).To(MatchError("there is no manifest in file:///store: make the first one with `deploy-manifest init`"))
	})

	lose := func(ctx context.Context) {
		GinkgoHelper()
		w.Clock.Advance(time.Second)
		Expect(w.Store().Delete(ctx, manifest.Key)).To(Succeed())
	}

	It("names the archive to people when the manifest was lost, and asks nothing more in a poll", func(ctx SpecContext) {
		initialise(ctx)
		edit(ctx, add("web"))
		lose(ctx)
		_, err := r.Read(ctx)
		Expect(providers.ReasonOf(err)).To(Equal("ManifestMissing"))
		Expect(err).To(MatchError(HavePrefix("there is no manifest in file:///store, but there are archived versions; if it was lost: " +
			"`deploy-manifest rollback $(deploy-manifest list -n 1)`")))
		noList := over(listless{w.Store()}, w)
		_, err = noList.ReadIfChanged(ctx, "")
		Expect(err).To(MatchError(And(ContainSubstring("deploy-manifest rollback"), ContainSubstring("deploy-manifest init"))))
	})

	It("begins a new lineage beside an archive only when told to", func(ctx SpecContext) {
		first := initialise(ctx)
		edit(ctx, add("web"))
		lose(ctx)
		_, err := r.Init(ctx, by)
		Expect(providers.ReasonOf(err)).To(Equal("ArchivesExist"))
		Expect(err).To(MatchError(And(ContainSubstring("deploy-manifest rollback"), ContainSubstring("--new-lineage"))))
		_, err = r.Read(ctx)
		Expect(err).To(MatchError(providers.ErrNotFound))
		anew := by
		anew.NewLineage = true
		m, err := r.Init(ctx, anew)
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Lineage).NotTo(Equal(first.Lineage))
	})

	DescribeTable("brings an older version back in the place of a lost manifest",
		func(ctx SpecContext, conditional bool) {
			r = manifest.NewRepository(manifest.Options{Objects: w.Store(), Now: w.Clock.Now, Conditional: func(context.Context) (bool, error) { return conditional, nil }})
			initialise(ctx)
			edit(ctx, add("web"))
			lost := edit(ctx, add("api"))
			old, err := r.ReadArchive(ctx, lost.Archive)
			Expect(err).NotTo(HaveOccurred())
			put(ctx, w, "manifests/manifest-20990101T000000Z.json", fmt.Sprintf(`{"signatures":[],"manifest":{"version":1,"lineage":%q,"generation":1,"services":[]}}`, old.Lineage))
			lose(ctx)
			restore := func(m *v1.Manifest) error { return manifest.Restore(m, old, "ann") }
			_, err = r.Edit(ctx, by, restore)
			Expect(err).To(MatchError(providers.ErrNotFound), "only who asks for it")
			replace := by
			replace.Replace, replace.DryRun = true, true
			e, err := r.Edit(ctx, replace, restore)
			Expect(err).NotTo(HaveOccurred())
			Expect(e.Written).To(BeFalse())
			_, err = r.Read(ctx)
			Expect(err).To(MatchError(providers.ErrNotFound))
			replace.DryRun = false
			e, err = r.Edit(ctx, replace, restore)
			Expect(err).NotTo(HaveOccurred())
			Expect(e.Written && e.Lost).To(BeTrue())
			now, err := r.Read(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(names(now.Manifest)).To(Equal([]string{"web"}))
			Expect(now.Manifest.Lineage).To(Equal(lost.After.Lineage))
			Expect(now.Manifest.Generation).To(Equal(lost.After.Generation+1), "hosts have seen the lost one")
		},
		Entry("on a store with conditions", true),
		Entry("on a store that ignores them", false),
	)

	It("brings back a version without services", func(ctx SpecContext) {
		empty := initialise(ctx)
		edit(ctx, add("web"))
		lose(ctx)
		replace := by
		replace.Replace = true
		_, err := r.Edit(ctx, replace, func(m *v1.Manifest) error { return manifest.Restore(m, empty, "ann") })
		Expect(err).NotTo(HaveOccurred())
		now, err := r.Read(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(now.Manifest.Services).To(BeEmpty())
	})

	DescribeTable("keeps a protected service on its hosts", func(ctx SpecContext, change func(*v1.Manifest) error) {
		initialise(ctx)
		edit(ctx, func(m *v1.Manifest) error {
			s := worker("web")
			s.Hosts, s.Protect = []string{"biz", "second"}, true
			manifest.Put(m, s)
			return nil
		})
		before := content(ctx, w, manifest.Key)
		force := by
		force.AllowMassRemoval = true
		_, err := r.Edit(ctx, force, change)
		Expect(providers.ReasonOf(err)).To(Equal("Protected"))
		Expect(err).To(MatchError(ContainSubstring("`deploy-manifest set web protect=false` first")))
		Expect(content(ctx, w, manifest.Key)).To(Equal(before))
	},
		Entry("in set", func(m *v1.Manifest) error { m.Service("web").Hosts = []string{"biz"}; return nil }),
		Entry("in set that unprotects it in the same breath", func(m *v1.Manifest) error {
			m.Service("web").Hosts, m.Service("web").Protect = []string{"biz"}, false
			return nil
		}),
		Entry("in apply", func(m *v1.Manifest) error {
			return manifest.Apply(m, &v1.Manifest{Services: []v1.Service{worker("web")}}, manifest.ApplyOptions{})
		}),
		Entry("in rollback", func(m *v1.Manifest) error {
			return manifest.Restore(m, &v1.Manifest{Services: []v1.Service{worker("web")}}, "ann")
		}),
	)

	It("archives what was in force under its own time, and goes one generation up", func(ctx SpecContext) {
		first := initialise(ctx)
		e := edit(ctx, add("web"))
		Expect(e.Archive).To(Equal("manifest-" + first.UpdatedAt.Format("20060102T150405Z") + ".json"))
		Expect(e.After.Generation).To(BeEquivalentTo(2))
		Expect(e.After.Lineage).To(Equal(first.Lineage))
		Expect(e.After.Previous).To(Equal(first.Hash()))
		Expect(e.After.UpdatedBy).To(Equal("ann@laptop"))
		old, err := r.ReadArchive(ctx, e.Archive)
		Expect(err).NotTo(HaveOccurred())
		Expect(old.Hash()).To(Equal(first.Hash()))
		expectHistory(ctx, r)
	})

	It("keeps all generations of one second apart", func(ctx SpecContext) {
		initialise(ctx)
		for i := range 5 {
			_, err := r.Edit(ctx, by, add(serviceName("s", i)))
			Expect(err).NotTo(HaveOccurred())
		}
		list, err := r.Archives(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(list).To(HaveLen(5))
		Expect(list[0]).To(HaveSuffix("Z-g5.json"))
		Expect(list[4]).To(HaveSuffix("Z.json"))
		expectHistory(ctx, r)
	})

	It("writes nothing when there is nothing to change", func(ctx SpecContext) {
		initialise(ctx)
		edit(ctx, add("web"))
		before := content(ctx, w, manifest.Key)
		e := edit(ctx, add("web"))
		Expect(e.Changed).To(BeFalse())
		Expect(content(ctx, w, manifest.Key)).To(Equal(before))
		Expect(r.Archives(ctx)).To(HaveLen(1))
	})

	It("writes nothing in a dry run, and checks all the same", func(ctx SpecContext) {
		initialise(ctx)
		before := content(ctx, w, manifest.Key)
		e, err := r.Edit(ctx, manifest.EditOptions{DryRun: true}, add("web"))
		Expect(err).NotTo(HaveOccurred())
		Expect(e.Changed).To(BeTrue())
		Expect(e.Archive).To(BeEmpty())
		_, err = r.Edit(ctx, manifest.EditOptions{DryRun: true}, add("Not_A_Name"))
		Expect(err).To(MatchError(ContainSubstring("services[0].name")))
		Expect(content(ctx, w, manifest.Key)).To(Equal(before))
		Expect(r.Archives(ctx)).To(BeEmpty())
	})

	It("refuses a result that no host would read, and writes nothing", func(ctx SpecContext) {
		initialise(ctx)
		before := content(ctx, w, manifest.Key)
		_, err := r.Edit(ctx, by, add("Not_A_Name"))
		var invalid v1.ErrorList
		Expect(errors.As(err, &invalid)).To(BeTrue())
		Expect(content(ctx, w, manifest.Key)).To(Equal(before))
		Expect(r.Archives(ctx)).To(BeEmpty())
	})

	It("wraps the document of the system before us with the first write", func(ctx SpecContext) {
		put(ctx, w, manifest.Key, `{"version":1,"services":[{"name":"web","hosts":["biz"],"artifact":{"storePath":"`+pathOne+`"}}]}`)
		read, err := r.Read(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(read.Manifest.Generation).To(BeZero())
		e := edit(ctx, add("api"))
		Expect(e.After.Generation).To(BeEquivalentTo(1))
		Expect(e.After.Lineage).NotTo(BeEmpty())
		Expect(names(e.After)).To(Equal([]string{"web", "api"}))
		Expect(content(ctx, w, manifest.Key)).To(HavePrefix("{\n \"signatures\": [],\n \"manifest\": {"))
		old, err := r.ReadArchive(ctx, e.Archive)
		Expect(err).NotTo(HaveOccurred())
		Expect(old.Hash()).To(Equal(read.Hash))
	})

	It("lists the names of the old system, newest first, and nothing else", func(ctx SpecContext) {
		for _, name := range []string{
			"manifest-20251215T120000Z.json", "manifest-20251216T033000Z.json", "manifest-20251216T045211.json",
			"manifest-20251216T045211Z-g12.json", "manifest-20251216T045211Z-g9.json", "notes.txt", "manifest-now.json",
		} {
			put(ctx, w, "manifests/"+name, `{"version":1,"services":[]}`)
		}
		Expect(r.Archives(ctx)).To(Equal([]string{
			"manifest-20251216T045211Z-g12.json", "manifest-20251216T045211Z-g9.json", "manifest-20251216T045211.json",
			"manifest-20251216T033000Z.json", "manifest-20251215T120000Z.json",
		}))
		_, err := r.ReadArchive(ctx, "manifest-20251216T045211.json")
		Expect(err).NotTo(HaveOccurred())
		_, err = r.ReadArchive(ctx, "manifest-20251216T045212.json")
		Expect(err).To(MatchError(And(ContainSubstring("deploy-manifest list"), ContainSubstring("manifest-20251216T045212.json"))))
		_, err = r.ReadArchive(ctx, "../manifest.json")
		Expect(err).To(MatchError(ContainSubstring("not the name of an archived manifest")))
	})

	It("goes above all generations that were seen when an older manifest was put back by hand", func(ctx SpecContext) {
		initialise(ctx)
		edit(ctx, add("a"))
		old := content(ctx, w, manifest.Key)
		edit(ctx, add("b"))
		edit(ctx, add("c"))
		e := edit(ctx, add("d"))
		put(ctx, w, manifest.Key, old)
		again := edit(ctx, add("e"))
		Expect(again.After.Generation).To(BeNumerically(">", e.After.Generation))
	})

	DescribeTable("the guard against mass removal",
		func(ctx SpecContext, before int, gone int, refused bool) {
			initialise(ctx)
			edit(ctx, func(m *v1.Manifest) error {
				for i := range before {
					manifest.Put(m, worker(serviceName("s", i)))
				}
				return nil
			})
			var list []string
			for i := range gone {
				list = append(list, serviceName("s", i))
			}
			_, err := r.Edit(ctx, by, remove(list...))
			if !refused {
				Expect(err).NotTo(HaveOccurred())
				return
			}
			Expect(err).To(MatchError(ContainSubstring("--allow-mass-removal")))
			now, err := r.Read(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(now.Manifest.Services).To(HaveLen(before))
			allowed := by
			allowed.AllowMassRemoval = true
			_, err = r.Edit(ctx, allowed, remove(list...))
			Expect(err).NotTo(HaveOccurred())
		},
		Entry("lets one of two go", 2, 1, false),
		Entry("lets the only one go", 1, 1, false),
		Entry("refuses two of two", 2, 2, true),
		Entry("lets three of ten go", 10, 3, false),
		Entry("refuses four of ten", 10, 4, true),
	)

	It("counts a service that leaves a host as taken down there", func(ctx SpecContext) {
		initialise(ctx)
		edit(ctx, func(m *v1.Manifest) error { return errors.Join(add("a")(m), add("b")(m), add("c")(m)) })
		_, err := r.Edit(ctx, by, func(m *v1.Manifest) error {
			m.Service("a").Hosts = []string{"bizz"}
			m.Service("b").Hosts = []string{"bizz"}
			return nil
		})
		Expect(err).To(MatchError(ContainSubstring("2 of 3")))
	})

	It("re-applies the edit to what another writer wrote in between", func(ctx SpecContext) {
		initialise(ctx)
		tries := 0
		e := edit(ctx, func(m *v1.Manifest) error {
			if tries++; tries == 1 {
				_, err := over(w.Store(), w).Edit(ctx, by, add("other"))
				Expect(err).NotTo(HaveOccurred())
			}
			return add("mine")(m)
		})
		Expect(tries).To(Equal(2))
		Expect(names(e.After)).To(Equal([]string{"other", "mine"}))
		Expect(e.After.Generation).To(BeEquivalentTo(3))
		expectHistory(ctx, r)
	})

	It("knows its own write again when only the answer got lost", func(ctx SpecContext) {
		initialise(ctx)
		w.LoseAnswer("objects.Put "+manifest.Key, providers.ErrUnavailable)
		e := edit(ctx, add("web"))
		Expect(e.After.Generation).To(BeEquivalentTo(2))
		expectHistory(ctx, r)
	})

	It("says that a failed write may have happened when nobody can tell", func(ctx SpecContext) {
		initialise(ctx)
		w.FailNext("objects.Put "+manifest.Key, providers.ErrUnavailable)
		_, err := r.Edit(ctx, by, add("web"))
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(err).To(MatchError(ContainSubstring("`deploy-manifest show` tells")))
		expectHistory(ctx, r)
	})

	DescribeTable("refuses what is no manifest",
		func(ctx SpecContext, document string, reason string) {
			put(ctx, w, manifest.Key, document)
			_, err := r.Read(ctx)
			Expect(providers.ReasonOf(err)).To(Equal(reason))
			_, err = r.Edit(ctx, by, add("web"))
			Expect(err).To(HaveOccurred())
			Expect(content(ctx, w, manifest.Key)).To(Equal(document))
		},
		Entry("the page of a captive portal", "<html><body>Sign in</body></html>", "ManifestInvalid"),
		Entry("nothing", "", "ManifestInvalid"),
		Entry("a truncated one", `{"signatures":[],"manifest":{"version":1,"services":[{"name":"we`, "ManifestInvalid"),
		Entry("a duplicate key", `{"version":1,"version":1,"services":[]}`, "ManifestInvalid"),
		Entry("an unknown field", `{"version":1,"services":[],"canary":true}`, "NeedsNewerDeployer"),
		Entry("a newer version", `{"version":2,"services":[]}`, "NeedsNewerDeployer"),
		Entry("a deep one", strings.Repeat("[", 100_000), "ManifestInvalid"),
	)

	DescribeTable("brings an older version back in the place of a damaged manifest",
		func(ctx SpecContext, conditional bool) {
			r = manifest.NewRepository(manifest.Options{Objects: w.Store(), Now: w.Clock.Now, Conditional: func(context.Context) (bool, error) { return conditional, nil }})
			initialise(ctx)
			edit(ctx, add("web"))
			lost := edit(ctx, add("api"))
			old, err := r.ReadArchive(ctx, lost.Archive)
			Expect(err).NotTo(HaveOccurred())
			w.Clock.Advance(time.Second)
			put(ctx, w, manifest.Key, "{")
			restore := func(m *v1.Manifest) error { return manifest.Restore(m, old, "ann") }
			_, err = r.Edit(ctx, by, restore)
			Expect(err).To(MatchError(ContainSubstring("not a usable manifest")), "only who asks for it")
			replace := by
			replace.Replace = true
			e, err := r.Edit(ctx, replace, restore)
			Expect(err).NotTo(HaveOccurred())
			Expect(names(e.After)).To(Equal([]string{"web"}))
			Expect(e.After.Lineage).To(Equal(lost.After.Lineage))
			Expect(e.After.Generation).To(BeNumerically(">", lost.After.Generation))
			Expect(content(ctx, w, "manifests/"+e.Archive)).To(Equal("{"))
		},
		Entry("on a store with conditions", true),
		Entry("on a store that ignores them", false),
	)

	It("never takes the place of a manifest that only a newer program reads", func(ctx SpecContext) {
		initialise(ctx)
		edit(ctx, add("web"))
		put(ctx, w, manifest.Key, `{"version":2,"services":[]}`)
		replace := by
		replace.Replace = true
		_, err := r.Edit(ctx, replace, add("api"))
		Expect(providers.ReasonOf(err)).To(Equal("NeedsNewerDeployer"))
		Expect(content(ctx, w, manifest.Key)).To(Equal(`{"version":2,"services":[]}`))
	})

	It("refuses a manifest of more than a megabyte without reading it all", func(ctx SpecContext) {
		put(ctx, w, manifest.Key, fmt.Sprintf(`{"version":1,"services":[],"message":"%s"}`, strings.Repeat("x", 2<<20)))
		_, err := r.Read(ctx)
		Expect(err).To(MatchError(ContainSubstring("longer than allowed")))
	})
})
