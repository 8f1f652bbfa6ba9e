package conformance

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// Releases registers the specs of providers.Releases. Call it inside a container; open
// gives an empty one for each spec.
func Releases(open func() providers.Releases) {
	var releases providers.Releases
	one, two := Staging("web", 1), Staging("web", 2)
	first, second := one.Instance.String(), two.Instance.String()
	BeforeEach(func() { releases = open() })

	It("shows nothing of a service that it has never seen", func(ctx SpecContext) {
		facts := released(ctx, releases)
		Expect(facts.Staged).To(BeEmpty())
		Expect(facts.Pointers).To(BeEmpty())
		Expect(facts.Upstream).To(BeEmpty())
		Expect(releases.Services(ctx)).To(BeEmpty())
	})

	It("gives facts that the caller may change", func(ctx SpecContext) {
		facts := released(ctx, releases)
		facts.Staged[first] = providers.StagedRelease{}
		facts.Pointers[v1.Primary] = first
		Expect(released(ctx, releases).Staged).To(BeEmpty())
		Expect(released(ctx, releases).Pointers).To(BeEmpty())
	})

	It("stages releases beside each other, whole, with port and commit", func(ctx SpecContext) {
		Expect(releases.Stage(ctx, one)).To(Succeed())
		Expect(releases.Stage(ctx, two)).To(Succeed())
		facts := released(ctx, releases)
		Expect(facts.Staged).To(HaveLen(2))
		got := facts.Staged[first]
		Expect(got.Instance).To(Equal(one.Instance))
		Expect(got.Release).To(Equal(one.Release))
		Expect(got.Commit).To(Equal(one.Commit))
		Expect(got.StandbyPort).To(Equal(one.StandbyPort))
		Expect(got.StagedAt).NotTo(BeZero())
		Expect(got.Verdict).To(BeNil())
		Expect(facts.Pointers).To(BeEmpty())
		Expect(releases.Services(ctx)).To(Equal([]string{"web"}))
	})

	It("stages again without losing the verdict or the pointer, and takes another port", func(ctx SpecContext) {
		Expect(releases.Stage(ctx, one)).To(Succeed())
		Expect(releases.Point(ctx, "web", v1.Primary, first)).To(Succeed())
		Expect(releases.Judge(ctx, "web", v1.Verdict{Instance: first, Result: v1.VerdictSoaked})).To(Succeed())
		again := one
		again.StandbyPort++
		for _, request := range []providers.StageRequest{one, again, again} {
			Expect(releases.Stage(ctx, request)).To(Succeed())
			facts := released(ctx, releases)
			Expect(facts.Staged[first].StandbyPort).To(Equal(request.StandbyPort))
			Expect(facts.Staged[first].Verdict).To(HaveField("Result", v1.VerdictSoaked))
			Expect(facts.Pointers).To(HaveKeyWithValue(v1.Primary, first))
		}
	})

	It("flips a pointer, keeps the other one, and removes it", func(ctx SpecContext) {
		Expect(releases.Stage(ctx, one)).To(Succeed())
		Expect(releases.Stage(ctx, two)).To(Succeed())
		Expect(releases.Point(ctx, "web", v1.Primary, first)).To(Succeed())
		Expect(releases.Point(ctx, "web", v1.Standby, second)).To(Succeed())
		Expect(releases.Point(ctx, "web", v1.Primary, second)).To(Succeed())
		Expect(released(ctx, releases).Pointers).To(Equal(map[v1.Slot]string{v1.Primary: second, v1.Standby: second}))
		for range 2 {
			Expect(releases.Point(ctx, "web", v1.Standby, "")).To(Succeed())
			Expect(released(ctx, releases).Pointers).To(Equal(map[v1.Slot]string{v1.Primary: second}))
		}
	})

	It("does not point to what is not staged", func(ctx SpecContext) {
		Expect(releases.Stage(ctx, one)).To(Succeed())
		Expect(releases.Point(ctx, "web", v1.Primary, second)).To(MatchError(providers.ErrNotFound))
		Expect(released(ctx, releases).Pointers).To(BeEmpty())
	})

	It("moves traffic, and refuses what is no port", func(ctx SpecContext) {
		for _, port := range []int{8080, 30080, 8080, 8080} {
			Expect(releases.Shift(ctx, "web", port)).To(Succeed())
			Expect(released(ctx, releases).Upstream).To(Equal(fmt.Sprintf("127.0.0.1:%d", port)))
		}
		for _, port := range []int{0, -1, 65536} {
			Expect(releases.Shift(ctx, "web", port)).NotTo(Succeed())
		}
		Expect(released(ctx, releases).Upstream).To(Equal("127.0.0.1:8080"))
		Expect(releases.Services(ctx)).To(Equal([]string{"web"}))
	})

	It("keeps a verdict with its evidence, and the newest one", func(ctx SpecContext) {
		status := 3
		bad := v1.Verdict{
			Instance: first, Result: v1.VerdictBad, Reason: "Exited", Message: "it exits",
			Evidence: &v1.Evidence{ExitStatus: &status, Log: []string{"one", "two \"quoted\""}},
		}
		Expect(releases.Judge(ctx, "web", bad)).To(MatchError(providers.ErrNotFound))
		Expect(releases.Stage(ctx, one)).To(Succeed())
		Expect(releases.Judge(ctx, "web", v1.Verdict{Instance: first, Result: v1.VerdictSoaked})).To(Succeed())
		Expect(releases.Judge(ctx, "web", bad)).To(Succeed())
		Expect(released(ctx, releases).Staged[first].Verdict).To(HaveValue(Equal(bad)))
	})

	It("discards only what no pointer names", func(ctx SpecContext) {
		Expect(releases.Stage(ctx, one)).To(Succeed())
		Expect(releases.Stage(ctx, two)).To(Succeed())
		Expect(releases.Point(ctx, "web", v1.Standby, first)).To(Succeed())
		Expect(releases.Discard(ctx, "web", first)).To(MatchError(providers.ErrConflict))
		for range 2 {
			Expect(releases.Discard(ctx, "web", second)).To(Succeed())
		}
		Expect(released(ctx, releases).Staged).To(And(HaveLen(1), HaveKey(first)))
	})

	It("tidies up nothing that is whole, nor of what it has never seen", func(ctx SpecContext) {
		Expect(releases.Stage(ctx, one)).To(Succeed())
		Expect(releases.Stage(ctx, two)).To(Succeed())
		Expect(releases.Point(ctx, "web", v1.Primary, first)).To(Succeed())
		Expect(releases.Shift(ctx, "web", 8080)).To(Succeed())
		before := released(ctx, releases)
		Expect(before.Unfinished).To(BeEmpty())
		for _, service := range []string{"web", "web", "nobody"} {
			Expect(releases.Tidy(ctx, service)).To(Succeed())
		}
		Expect(released(ctx, releases)).To(Equal(before))
		Expect(releases.Services(ctx)).To(Equal([]string{"web"}))
	})

	It("forgets one service and leaves the others", func(ctx SpecContext) {
		for _, service := range []string{"web", "web-api"} {
			Expect(releases.Stage(ctx, Staging(service, 1))).To(Succeed())
			Expect(releases.Point(ctx, service, v1.Primary, first)).To(Succeed())
			Expect(releases.Shift(ctx, service, 8080)).To(Succeed())
		}
		for range 2 {
			Expect(releases.Forget(ctx, "web")).To(Succeed())
		}
		facts := released(ctx, releases)
		Expect(facts.Staged).To(BeEmpty())
		Expect(facts.Pointers).To(BeEmpty())
		Expect(facts.Upstream).To(BeEmpty())
		Expect(releases.Services(ctx)).To(Equal([]string{"web-api"}))
		left, err := releases.Observe(ctx, "web-api")
		Expect(err).NotTo(HaveOccurred())
		Expect(left.Staged).To(HaveLen(1))
		Expect(left.Pointers).To(HaveLen(1))
		Expect(left.Upstream).NotTo(BeEmpty())
	})
}

// Staging is a request with something in every field; n tells instances apart.
func Staging(service string, n int) providers.StageRequest {
	release := v1.Release{
		Service: service, StorePath: fmt.Sprintf("/nix/store/%032d-%s", n, service), InternalPort: 8080,
		Env: map[string]string{"PORT": "8080", "N": fmt.Sprint(n)}, EnvFile: "/var/lib/biz-secrets/" + service + ".env",
	}
	return providers.StageRequest{
		Instance: v1.Instance{Revision: fmt.Sprintf("1%011d", n), Secrets: "0123456789"},
		Release:  release.Default(), Commit: "c0ffee", StandbyPort: 30000 + n,
		Secrets: providers.Secret{Fingerprint: "0123456789", Content: providers.SecretBytes("TOKEN=secret\n")},
	}
}

func released(ctx context.Context, r providers.Releases) providers.ReleaseFacts {
	GinkgoHelper()
	facts, err := r.Observe(ctx, "web")
	Expect(err).NotTo(HaveOccurred())
	return facts
}
