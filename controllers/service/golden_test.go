package service

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers/fake"
)

var update = flag.Bool("update", false, "write the golden files again")

// story is a state of a host and of the manifest; its golden is the plan for service web.
type story struct {
	name  string
	setup func(g *rig)
}

func stories() []story {
	settled := func(g *rig, s v1.Service) {
		g.write(s)
		g.settle("web")
	}
	return []story{
		{"first-release", func(g *rig) { g.write(g.web("web", "v1", 8080)) }},
		{"worker", func(g *rig) {
			g.write(v1.Service{Name: "web", Hosts: []string{"biz"}, Artifact: &v1.Artifact{StorePath: g.path("w1")}})
		}},
		{"next-release", func(g *rig) {
			settled(g, g.web("web", "v1", 8080))
			g.write(g.web("web", "v2", 8080))
		}},
		{"next-release-while-the-old-one-is-stopped", func(g *rig) {
			settled(g, g.web("web", "v1", 8080))
			g.StopByHand("web", v1.Primary)
			g.write(g.web("web", "v2", 8080))
		}},
		{"fifth-release", func(g *rig) {
			for _, r := range []string{"v1", "v2", "v3", "v4"} {
				settled(g, g.web("web", r, 8080))
			}
			g.write(g.web("web", "v5", 8080))
		}},
		{"other-domain", func(g *rig) {
			web := g.web("web", "v1", 8080)
			settled(g, web)
			web.HTTP.Domain = "other.example.com"
			g.write(web)
		}},
		{"no-http-any-more", func(g *rig) {
			web := g.web("web", "v1", 8080)
			settled(g, web)
			web.HTTP = nil
			g.write(web)
		}},
		{"stopped-by-hand", func(g *rig) {
			settled(g, g.web("web", "v1", 8080))
			g.StopByHand("web", v1.Primary)
		}},
		{"closure-collected", func(g *rig) {
			web := g.web("web", "v1", 8080)
			settled(g, web)
			delete(g.Nix.OnDisk, web.Artifact.StorePath)
		}},
		{"as-wanted", func(g *rig) { settled(g, g.web("web", "v1", 8080)) }},
		{"held", func(g *rig) {
			web := g.web("web", "v1", 8080)
			settled(g, web)
			web = g.web("web", "v2", 8080)
			web.Hold = &v1.Hold{Forever: true, Owner: "ann@laptop", Reason: "load test"}
			g.write(web)
		}},
		{"overlap-first", func(g *rig) { g.write(g.overlap("web", "v1", 8080)) }},
		{"overlap-next", func(g *rig) {
			settled(g, g.overlap("web", "v1", 8080))
			g.write(g.overlap("web", "v2", 8080))
		}},
		{"overlap-while-it-soaks", func(g *rig) {
			settled(g, g.overlap("web", "v1", 8080))
			g.write(g.overlap("web", "v2", 8080))
			_ = g.drive("web", 4*second)
		}},
		{"overlap-a-fix-while-it-soaks", func(g *rig) {
			settled(g, g.overlap("web", "v1", 8080))
			g.write(g.overlap("web", "v2", 8080))
			_ = g.drive("web", 4*second)
			g.write(g.overlap("web", "v3", 8080))
		}},
		{"overlap-exits-while-it-soaks", func(g *rig) {
			settled(g, g.overlap("web", "v1", 8080))
			g.write(g.overlap("web", "v2", 8080))
			_ = g.drive("web", 4*second)
			g.Kill("web", v1.Standby)
			g.Clock.Advance(second)
		}},
		{"overlap-rolled-back", func(g *rig) {
			settled(g, g.overlap("web", "v1", 8080))
			s := g.overlap("web", "v2", 8080)
			g.Programs[s.Artifact.StorePath] = fake.Program{ExitsAfter: 1, Status: 3}
			settled(g, s)
		}},
		{"overlap-held-while-it-soaks", func(g *rig) {
			settled(g, g.overlap("web", "v1", 8080))
			s := g.overlap("web", "v2", 8080)
			g.write(s)
			_ = g.drive("web", 4*second)
			s.Hold = &v1.Hold{Forever: true}
			g.write(s)
		}},
		{"overlap-to-replace", func(g *rig) {
			settled(g, g.overlap("web", "v1", 8080))
			g.write(g.overlap("web", "v2", 8080))
			_ = g.drive("web", 4*second)
			g.Overlap["web"] = false
			g.write(g.web("web", "v2", 8080))
		}},
		{"removed", func(g *rig) {
			settled(g, g.web("web", "v1", 8080))
			g.write()
		}},
		{"not-mentioned", func(g *rig) {
			settled(g, g.web("web", "v1", 8080))
			g.unlist()
		}},
		{"secrets-missing", func(g *rig) {
			settled(g, g.web("web", "v1", 8080))
			web := g.web("web", "v2", 8080)
			web.EnvFile = "/var/lib/biz-secrets/web.env"
			g.write(web)
		}},
	}
}

func planText(p Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", p.State)
	if p.Blocked != "" {
		fmt.Fprintf(&b, "blocked: %s\n", p.Blocked)
	}
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "%-10s %-8s %-22s %s\n", s.Step, s.Slot, s.Instance, s.Why)
	}
	return b.String()
}

var _ = Describe("the plan", func() {
	for _, s := range stories() {
		It("of "+s.name+" is the golden one, and changes nothing", func() {
			g := newRig()
			s.setup(g)
			g.ForgetCalls()
			plan, err := g.r.Plan(context.Background(), "web")
			Expect(err).NotTo(HaveOccurred())
			Expect(g.Effects()).To(BeEmpty())

			file := filepath.Join("testdata", s.name+".golden")
			if *update {
				Expect(os.MkdirAll("testdata", 0o755)).To(Succeed())
				Expect(os.WriteFile(file, []byte(planText(plan)), 0o644)).To(Succeed())
			}
			want, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred(), "run `go test ./controllers/service -update` to write it")
			Expect(planText(plan)).To(Equal(string(want)))
		})

		It("of "+s.name+" is what the passes then do", func() {
			g := newRig()
			s.setup(g)
			plan, err := g.r.Plan(context.Background(), "web")
			Expect(err).NotTo(HaveOccurred())
			var done []string
			g.r.onStep = stepsInto(&done)
			for range 500 {
				result, err := g.pass("web")
				if err != nil || result.RequeueAfter == 0 {
					break
				}
				g.Clock.Advance(result.RequeueAfter)
			}
			var planned []string
			for _, p := range plan.Steps {
				planned = append(planned, p.Step)
			}
			// A program that is well at once leaves nothing to wait for.
			waits := func(step string) bool { return step == "health" }
			Expect(slices.DeleteFunc(done, waits)).To(Equal(slices.DeleteFunc(planned, waits)))
		})
	}
})
