package service

import (
	"context"
	"errors"
	"maps"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
)

var _ = Describe("the replace plan", func() {
	var g *rig
	BeforeEach(func() { g = newRig() })

	It("brings a new service up, step by step, and settles", func() {
		web := g.web("web", "v1", 8080)
		g.write(web)
		g.settle("web")
		g.expectServing("web", web)
		Expect(g.states["web"].Upstream).To(Equal("127.0.0.1:8080"))
		Expect(g.Caddy.Routes).To(HaveKey("web"))
	})

	It("does nothing in the next pass", func() {
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		g.ForgetCalls()
		g.settle("web")
		Expect(g.changes()).To(BeEmpty())
	})

	It("replaces a release by the next, and keeps the old one to go back to", func() {
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		v2 := g.web("web", "v2", 8080)
		g.write(v2)
		g.settle("web")
		g.expectServing("web", v2)
		Expect(g.Nix.RootLinks).To(HaveLen(2))
	})

	It("keeps three good releases and prunes the fourth", func() {
		for _, release := range []string{"v1", "v2", "v3", "v4", "v5"} {
			g.write(g.web("web", release, 8080))
			g.settle("web")
		}
		Expect(g.Nix.RootLinks).To(HaveLen(3))
	})

	It("changes domain and soak in place, without a restart", func() {
		web := g.web("web", "v1", 8080)
		g.write(web)
		g.settle("web")
		pid := g.Unit("web", v1.Primary)
		web.HTTP = &v1.HTTP{Domain: "other.example.com", InternalPort: 8080}
		g.write(web)
		g.settle("web")
		Expect(g.Unit("web", v1.Primary)).To(Equal(pid))
		Expect(g.Caddy.Routes["web"].Domains).To(Equal([]string{"other.example.com"}))
	})

	It("keeps the old release serving while the new closure is in no cache", func() {
		v1svc := g.web("web", "v1", 8080)
		g.write(v1svc)
		g.settle("web")
		v2 := g.web("web", "v2", 8080)
		delete(g.Nix.Cache, v2.Artifact.StorePath)
		g.write(v2)
		_, err := g.pass("web")
		Expect(providers.ReasonOf(err)).To(Equal("ClosureMissing"))
		st := g.states["web"]
		Expect(st.Serving.StorePath).To(Equal(v1svc.Artifact.StorePath))
		Expect(st.Health).To(Equal(v1.Healthy))
		Expect(st.Sync).To(Equal(v1.OutOfSync))
		Expect(st.Reason).To(Equal("ClosureMissing"))
	})

	It("starts the stopped old release again even though the new one cannot be pulled", func() {
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		v2 := g.web("web", "v2", 8080)
		delete(g.Nix.Cache, v2.Artifact.StorePath)
		g.write(v2)
		g.StopByHand("web", v1.Primary)
		_, err := g.pass("web")
		Expect(providers.ReasonOf(err)).To(Equal("ClosureMissing"))
		Expect(g.states["web"].Health).To(Equal(v1.Healthy))
	})

	It("starts services while Caddy is down, says so, and routes them once it is back", func() {
		g.Caddy.Down = true
		web := g.web("web", "v1", 8080)
		g.write(web)
		_, err := g.pass("web")
		for range 40 {
			Expect(err == nil || errors.Is(err, providers.ErrUnavailable)).To(BeTrue())
			g.Clock.Advance(second)
			_, err = g.pass("web")
		}
		Expect(g.Unit("web", v1.Primary)).NotTo(BeNil())
		Expect(g.states["web"].Health).To(Equal(v1.Healthy))
		Expect(g.states["web"].Reason).To(Equal("CaddyUnreachable"))
		Expect(g.states["web"].Sync).To(Equal(v1.SyncUnknown), "nobody knows what Caddy has")
		g.Caddy.Down = false
		g.settle("web")
		g.expectServing("web", web)
	})

	It("does not start a service whose secrets file is missing, and keeps the old one", func() {
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		v2 := g.web("web", "v2", 8080)
		v2.EnvFile = "/var/lib/biz-secrets/web.env"
		g.write(v2)
		_, err := g.pass("web")
		Expect(providers.ReasonOf(err)).To(Equal("SecretsMissing"))
		Expect(g.states["web"].Health).To(Equal(v1.Healthy))
		g.SecretsFiles["/var/lib/biz-secrets/web.env"] = fake.SecretsFile{Content: "A=b\n", Mode: 0o600}
		g.settle("web")
		g.expectServing("web", v2)
	})

	It("leaves a foreign unit of the same name alone", func() {
		g.AddForeignUnit("caddy")
		g.write(g.web("caddy", "v1", 8080))
		_, err := g.pass("caddy")
		Expect(providers.ReasonOf(err)).To(Equal("NameTaken"))
		Expect(g.changes()).To(BeEmpty())
		Expect(g.states["caddy"].State).To(Equal(v1.Stalled))
		plan, err := g.r.Plan(context.Background(), "caddy")
		Expect(err).NotTo(HaveOccurred())
		Expect(plan.Steps).To(BeEmpty())
		Expect(plan.Blocked).To(ContainSubstring("not ours"))
	})

	It("says that a release misses its health deadline, with the log", func() {
		web := g.web("web", "v1", 8080)
		g.Programs[web.Artifact.StorePath] = fake.Program{NeverListens: true, Log: []string{"cannot bind"}}
		g.write(web)
		g.settle("web")
		st := g.states["web"]
		Expect(st.Reason).To(Equal("HealthDeadlineExceeded"))
		Expect(st.State).To(Equal(v1.Stalled))
		Expect(st.Health).To(Equal(v1.Failed))
		Expect(st.Evidence.Log).To(ContainElement(ContainSubstring("cannot bind")))
	})

	It("heals a unit that was stopped by hand", func() {
		web := g.web("web", "v1", 8080)
		g.write(web)
		g.settle("web")
		g.StopByHand("web", v1.Primary)
		g.settle("web")
		g.expectServing("web", web)
	})

	It("puts back the roots of all releases that are kept to go back to", func() {
		for _, release := range []string{"v1", "v2", "v3"} {
			g.write(g.web("web", release, 8080))
			g.settle("web")
		}
		kept := maps.Clone(g.Nix.RootLinks)
		Expect(kept).To(HaveLen(3))
		clear(g.Nix.RootLinks)
		g.settle("web")
		Expect(g.Nix.RootLinks).To(Equal(kept))
	})

	It("heals what people delete: root, upstream file, route, unit", func() {
		web := g.web("web", "v1", 8080)
		g.write(web)
		g.settle("web")
		clear(g.Nix.RootLinks)
		g.SetUpstream("web", "")
		delete(g.Caddy.Routes, "web")
		g.RemoveUnitByHand("web", v1.Primary)
		g.settle("web")
		g.expectServing("web", web)
	})

	It("shows a service without a release as waiting", func() {
		g.write(v1.Service{Name: "web", Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: v1.PlaceholderPath}})
		g.settle("web")
		Expect(g.states["web"].State).To(Equal(v1.Waiting))
	})

	It("needs no Caddy for a worker", func() {
		g.Caddy.Down = true
		w := v1.Service{Name: "worker", Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: g.path("w1")}}
		g.write(w)
		g.settle("worker")
		g.expectServing("worker", w)
	})
})

var _ = Describe("removal", func() {
	var g *rig
	BeforeEach(func() { g = newRig() })

	It("takes down all that is left of a removed service, and nothing else", func() {
		other := g.web("other", "o1", 8081)
		g.write(g.web("web", "v1", 8080), other)
		g.settle("web")
		g.settle("other")
		g.write(other)
		g.settle("web")
		Expect(g.states).NotTo(HaveKey("web"))
		Expect(g.Caddy.Routes).To(HaveLen(1))
		Expect(g.Nix.RootLinks).To(HaveLen(1))
		Expect(g.Unit("web", v1.Primary)).To(BeNil())
		g.settle("other")
		g.expectServing("other", other)
	})

	It("removes nothing while Caddy does not answer", func() {
		g.write(g.web("web", "v1", 8080))
		g.settle("web")
		g.write()
		g.Caddy.Down = true
		g.ForgetCalls()
		_, err := g.pass("web")
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(g.changes()).To(BeEmpty())
	})

	It("removes nothing for mere absence from the manifest", func() {
		web := g.web("web", "v1", 8080)
		g.write(web)
		g.settle("web")
		g.unlist()
		g.ForgetCalls()
		g.settle("web")
		Expect(g.changes()).To(BeEmpty())
		Expect(g.states["web"].State).To(Equal(v1.Unlisted))
		Expect(g.states["web"].Sync).To(Equal(v1.SyncUnknown))
	})

	It("takes a service down that moved to another host", func() {
		web := g.web("web", "v1", 8080)
		g.write(web)
		g.settle("web")
		web.Hosts = []string{"ava"}
		g.write(web)
		g.settle("web")
		Expect(g.states).NotTo(HaveKey("web"))
	})
})
