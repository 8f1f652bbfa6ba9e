package manifest_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/manifest"
)

var _ = Describe("changing a manifest", func() {
	var m *v1.Manifest
	BeforeEach(func() {
		m = &v1.Manifest{Version: 1, Generation: 8, Services: []v1.Service{worker("web"), worker("api")}}
	})
	removed := func() map[string]int64 {
		out := map[string]int64{}
		for _, r := range m.Removed {
			out[r.Name] = r.Generation
		}
		return out
	}

	It("takes commit and demanded hash of the old release away with it", func() {
		s := m.Service("web")
		s.Commit, s.Artifact.NarHash = "abc", "sha256:old"
		manifest.SetRelease(s, pathTwo, "")
		Expect(*s.Artifact).To(Equal(v1.Artifact{StorePath: pathTwo}))
		Expect(s.Commit).To(BeEmpty())
	})

	It("keeps the commit of the same release", func() {
		s := m.Service("web")
		s.Commit = "abc"
		manifest.SetRelease(s, pathOne, "")
		Expect(s.Commit).To(Equal("abc"))
	})

	It("lists what is removed, with generation and by whom", func() {
		Expect(manifest.Remove(m, "web", "ann@laptop")).To(Succeed())
		Expect(names(m)).To(Equal([]string{"api"}))
		Expect(m.Removed).To(Equal([]v1.Removal{{Name: "web", Generation: 8, By: "ann@laptop"}}))
		Expect(manifest.Remove(m, "web", "bob@laptop")).To(Succeed())
		Expect(m.Removed).To(HaveLen(1))
	})

	It("also removes what it does not list, for a host may still have it", func() {
		Expect(manifest.Remove(m, "old", "ann@laptop")).To(Succeed())
		Expect(removed()).To(HaveKey("old"))
	})

	It("does not remove what is protected, by any way", func() {
		m.Service("web").Protect = true
		const wayOut = "deploy-manifest set web protect=false"
		Expect(manifest.Remove(m, "web", "ann")).To(MatchError(ContainSubstring(wayOut)))
		Expect(manifest.Restore(m, &v1.Manifest{}, "ann")).To(MatchError(ContainSubstring(wayOut)))
		file := &v1.Manifest{Services: []v1.Service{worker("api")}}
		Expect(manifest.Apply(m, file, manifest.ApplyOptions{Prune: true})).To(MatchError(ContainSubstring(wayOut)))
		Expect(m.Service("web")).NotTo(BeNil())
	})

	It("wants a removed service again when it is added", func() {
		Expect(manifest.Remove(m, "web", "ann")).To(Succeed())
		manifest.Put(m, worker("web"))
		Expect(m.Removed).To(BeEmpty())
	})

	It("restores an older version: what it lacks goes, what it has comes back", func() {
		old := m.Clone()
		Expect(manifest.Remove(m, "api", "ann")).To(Succeed())
		manifest.Put(m, worker("new"))
		manifest.SetRelease(m.Service("web"), pathTwo, "abc")
		m.Generation = 9
		Expect(manifest.Restore(m, old, "bob")).To(Succeed())
		Expect(m.Services).To(Equal(old.Services))
		Expect(removed()).To(Equal(map[string]int64{"new": 9}))
		Expect(m.Generation).To(BeEquivalentTo(9))
	})

	It("applies the listed services and leaves the others alone", func() {
		file := &v1.Manifest{Services: []v1.Service{worker("web"), worker("new")}}
		file.Services[0].Env = map[string]string{"A": "1"}
		Expect(manifest.Apply(m, file, manifest.ApplyOptions{})).To(Succeed())
		Expect(names(m)).To(Equal([]string{"web", "api", "new"}))
		Expect(m.Service("web").Env).To(HaveKey("A"))
	})

	It("keeps the release of a service for which the file has none", func() {
		m.Service("web").Commit = "abc"
		file := &v1.Manifest{Services: []v1.Service{worker("web"), worker("api")}}
		file.Services[0].Artifact = nil
		file.Services[1].Artifact.StorePath = v1.PlaceholderPath
		Expect(manifest.Apply(m, file, manifest.ApplyOptions{})).To(Succeed())
		Expect(m.Service("web").Artifact.StorePath).To(Equal(pathOne))
		Expect(m.Service("web").Commit).To(Equal("abc"))
		Expect(m.Service("api").Artifact.StorePath).To(Equal(pathOne))
	})

	It("removes with --prune what the file does not list", func() {
		file := &v1.Manifest{Services: []v1.Service{worker("web")}}
		Expect(manifest.Apply(m, file, manifest.ApplyOptions{By: "ann", Prune: true})).To(Succeed())
		Expect(names(m)).To(Equal([]string{"web"}))
		Expect(removed()).To(HaveKey("api"))
	})

	It("removes what the file lists in removed, but not what was added again since", func() {
		Expect(manifest.Apply(m, &v1.Manifest{Removed: []v1.Removal{{Name: "api"}}}, manifest.ApplyOptions{})).To(Succeed())
		Expect(names(m)).To(Equal([]string{"web"}))
		outdated := &v1.Manifest{Removed: []v1.Removal{{Name: "web", Generation: 3}}}
		Expect(manifest.Apply(m, outdated, manifest.ApplyOptions{})).To(MatchError(ContainSubstring("added again since")))
	})

	It("names the services that there are when one is unknown", func() {
		_, err := manifest.Find(m, "wbe")
		Expect(err).To(MatchError("the manifest has no service wbe; it has api, web"))
	})
})
