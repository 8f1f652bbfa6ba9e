package conformance

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// keptDeployments of each service.
const keptDeployments = 50

// History registers the specs of providers.History. Call it inside a container; open gives
// an empty one for each spec.
func History(open func() providers.History) {
	var history providers.History
	began := time.Date(2026, 3, 4, 5, 6, 7, 8009, time.UTC)
	BeforeEach(func() { history = open() })

	It("knows of no deployment at first, nor of a service that it has never seen", func(ctx SpecContext) {
		Expect(history.Deployments(ctx, "")).To(BeEmpty())
		Expect(history.Deployments(ctx, "web")).To(BeEmpty())
	})

	It("gives back all that was said of a deployment", func(ctx SpecContext) {
		d := v1.Deployment{
			Service: "web", Target: target(2), Before: target(1), Generation: 7, By: "ann@laptop", Message: "the \"login\"\nagain",
			Strategy: v1.StrategyOverlap, Changed: []string{"storePath", "env.AREA"}, Began: began, LiveAt: began.Add(time.Second),
			EndedAt: began.Add(time.Minute), Outcome: v1.OutcomeRolledBack, Reason: "Exited", Detail: "it ended by itself",
		}
		Expect(history.SaveDeployment(ctx, d)).To(Succeed())
		Expect(history.Deployments(ctx, "web")).To(Equal([]v1.Deployment{d}))
	})

	It("gives them newest first, of one service or of all, in whatever order they came", func(ctx SpecContext) {
		for _, n := range []int{2, 1, 4, 3} {
			service := []string{"web", "api"}[n%2]
			Expect(history.SaveDeployment(ctx, deployment(service, n))).To(Succeed())
		}
		Expect(numbers(ctx, history, "web")).To(Equal([]int64{4, 2}))
		Expect(numbers(ctx, history, "api")).To(Equal([]int64{3, 1}))
		Expect(numbers(ctx, history, "")).To(Equal([]int64{4, 3, 2, 1}))
		Expect(numbers(ctx, history, "we")).To(BeEmpty())
	})

	It("lets the same deployment be told again as it goes on, also one that is not the last", func(ctx SpecContext) {
		for n := range 3 {
			Expect(history.SaveDeployment(ctx, deployment("web", n))).To(Succeed())
		}
		for n := range 3 {
			d := deployment("web", n)
			d.Outcome, d.EndedAt = v1.OutcomeSettled, d.Began.Add(time.Minute)
			Expect(history.SaveDeployment(ctx, d)).To(Succeed())
			// The clock's zone is no other time.
			d.Began = d.Began.In(time.FixedZone("elsewhere", 3600))
			Expect(history.SaveDeployment(ctx, d)).To(Succeed())
		}
		Expect(numbers(ctx, history, "web")).To(Equal([]int64{2, 1, 0}))
		Expect(history.Deployments(ctx, "web")).To(HaveEach(HaveField("Outcome", v1.OutcomeSettled)))
	})

	It("keeps the newest of every service, however often another one is deployed", func(ctx SpecContext) {
		Expect(history.SaveDeployment(ctx, deployment("quiet", 0))).To(Succeed())
		const busy = 4*keptDeployments + 7
		for n := range busy {
			Expect(history.SaveDeployment(ctx, deployment("busy", n))).To(Succeed())
		}
		got := numbers(ctx, history, "busy")
		Expect(got).To(HaveLen(keptDeployments))
		Expect(got[0]).To(BeEquivalentTo(busy - 1))
		Expect(got[len(got)-1]).To(BeEquivalentTo(busy - keptDeployments))
		Expect(numbers(ctx, history, "quiet")).To(Equal([]int64{0}))
	})
}

// target has something in every field; n tells them apart.
func target(n int) v1.Target {
	return v1.Target{
		Revision: fmt.Sprintf("1%011d", n), Instance: fmt.Sprintf("1%011d-none", n),
		StorePath: fmt.Sprintf("/nix/store/%032d-web", n), Commit: fmt.Sprintf("c0ffee%d", n),
	}
}

// deployment n of a service began at second n.
func deployment(service string, n int) v1.Deployment {
	return v1.Deployment{
		Service: service, Target: target(n), Generation: int64(n), Began: time.Unix(int64(n)+1, 0).UTC(), Outcome: v1.OutcomeRolling,
	}
}

// numbers are those of the deployments that are kept.
func numbers(ctx context.Context, h providers.History, service string) []int64 {
	GinkgoHelper()
	all, err := h.Deployments(ctx, service)
	Expect(err).NotTo(HaveOccurred())
	var out []int64
	for _, d := range all {
		out = append(out, d.Generation)
	}
	return out
}
