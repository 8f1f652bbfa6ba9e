package fake_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/fake"
)

var ctx = context.Background()

func path(n int) string { return fmt.Sprintf("/nix/store/%032d-web", n) }

func release(n int) v1.Release {
	return v1.Release{Service: "web", StorePath: path(n), InternalPort: 8080}.Default()
}

func instance(n int) v1.Instance {
	return v1.Instance{Revision: fmt.Sprintf("1%011d", n), Secrets: v1.NoSecrets}
}

// prepare brings release n to the host and points the slot to it, its unit installed.
func prepare(w *fake.World, n int, slot v1.Slot) {
	GinkgoHelper()
	h, r := w.Host(), release(n)
	w.Publish(path(n))
	Expect(h.Closures.Root(ctx, "web-"+instance(n).Revision, path(n))).To(Succeed())
	Expect(h.Closures.Pull(ctx, path(n))).To(Succeed())
	Expect(h.Releases.Stage(ctx, providers.StageRequest{Instance: instance(n), Release: r, StandbyPort: 30080})).To(Succeed())
	Expect(h.Releases.Point(ctx, "web", slot, instance(n).String())).To(Succeed())
	Expect(h.Units.Install(ctx, providers.UnitSpec{Service: "web", Slot: slot, Release: &r})).To(Succeed())
}

func facts(w *fake.World, slot v1.Slot) providers.UnitFacts {
	GinkgoHelper()
	r := release(1)
	f, err := w.Host().Units.Observe(ctx, providers.UnitSpec{Service: "web", Slot: slot, Release: &r})
	Expect(err).NotTo(HaveOccurred())
	return f
}

func probe(w *fake.World, slot v1.Slot, port int) providers.ProbeResult {
	GinkgoHelper()
	got, err := w.Host().Prober.Probe(ctx, providers.ProbeRequest{
		Service: "web", Slot: slot, Type: v1.HealthHTTP, Port: port, ControlGroup: facts(w, slot).ControlGroup,
	})
	Expect(err).NotTo(HaveOccurred())
	return got
}

var _ = Describe("a world", func() {
	var w *fake.World
	BeforeEach(func() { w = fake.New() })

	It("runs what the pointer named at the start, whatever it names later", func() {
		prepare(w, 1, v1.Primary)
		Expect(w.Host().Units.Start(ctx, "web", v1.Primary)).To(Succeed())
		prepare(w, 2, v1.Primary)
		Expect(facts(w, v1.Primary).Instance).To(Equal(instance(1).String()))

		w.Kill("web", v1.Primary)
		Expect(facts(w, v1.Primary).Sub).To(Equal("stop-post"))
		w.Clock.Advance(fake.LeavingTakes)
		Expect(facts(w, v1.Primary).Sub).To(Equal("auto-restart"))
		w.Clock.Advance(10 * time.Millisecond)
		Expect(facts(w, v1.Primary)).To(And(HaveField("Instance", instance(2).String()), HaveField("Restarts", 1)))
	})

	It("lets programs become ready, answer badly and die as time passes", func() {
		w.Programs[path(1)] = fake.Program{StartsAfter: 2 * time.Second, ExitsAfter: 5 * time.Second, Status: 3, Answer: 500}
		prepare(w, 1, v1.Primary)
		Expect(w.Host().Units.Start(ctx, "web", v1.Primary)).To(Succeed())
		Expect(probe(w, v1.Primary, 8080).Reason).To(Equal("ConnectionRefused"))
		w.Clock.Advance(2 * time.Second)
		Expect(probe(w, v1.Primary, 8080)).To(And(HaveField("Reason", "WrongStatus"), HaveField("Answer", "500 Internal Server Error")))
		w.Clock.Advance(3 * time.Second)
		Expect(facts(w, v1.Primary)).To(And(HaveField("Active", "deactivating"), HaveField("ExitStatus", 3), HaveField("Result", "exit-code")))
		w.Clock.Advance(fake.LeavingTakes)
		Expect(facts(w, v1.Primary)).To(And(HaveField("Active", "activating"), HaveField("ExitStatus", 3), HaveField("Result", "exit-code")))
		w.Clock.Advance(time.Minute)
		Expect(facts(w, v1.Primary).Restarts).To(BeNumerically("~", 12, 1))
	})

	It("ages nothing when only the wall clock jumps", func() {
		w.Programs[path(1)] = fake.Program{ExitsAfter: time.Second}
		prepare(w, 1, v1.Primary)
		Expect(w.Host().Units.Start(ctx, "web", v1.Primary)).To(Succeed())
		w.Clock.Jump(365 * 24 * time.Hour)
		Expect(facts(w, v1.Primary).Restarts).To(BeZero())
		Expect(w.Clock.Now().Year()).To(Equal(2027))
	})

	It("fails a start with the release's own fault", func() {
		w.Programs[path(1)] = fake.Program{FailsToStart: true}
		prepare(w, 1, v1.Primary)
		err := w.Host().Units.Start(ctx, "web", v1.Primary)
		var f *providers.Fault
		Expect(errors.As(err, &f)).To(BeTrue())
		Expect(f.Own).To(BeTrue())
		Expect(f.Reason).To(Equal("ExitedAtStart"))
		Expect(facts(w, v1.Primary).Running()).To(BeFalse())
	})

	It("blames the host, not the release, for a start without a release directory", func() {
		r := release(1)
		Expect(w.Host().Units.Install(ctx, providers.UnitSpec{Service: "web", Slot: v1.Primary, Release: &r})).To(Succeed())
		err := w.Host().Units.Start(ctx, "web", v1.Primary)
		var f *providers.Fault
		Expect(errors.As(err, &f)).To(BeTrue())
		Expect(f.Own).To(BeFalse())
	})

	It("lets a program that ignores PORT die in the standby while the primary holds it", func() {
		prepare(w, 1, v1.Primary)
		Expect(w.Host().Units.Start(ctx, "web", v1.Primary)).To(Succeed())
		w.Programs[path(2)] = fake.Program{IgnoresPort: true}
		prepare(w, 2, v1.Standby)
		Expect(w.Host().Units.Start(ctx, "web", v1.Standby)).To(Succeed())
		w.Clock.Advance(time.Second)
		Expect(facts(w, v1.Standby).Restarts).To(BeNumerically(">", 10))
		Expect(w.Host().Units.Journal(ctx, "web", v1.Standby, providers.JournalOptions{Lines: 3})).To(ContainElement(ContainSubstring("address already in use")))
		Expect(probe(w, v1.Primary, 8080).OK).To(BeTrue())
	})

	It("gives traffic back to the primary when the standby ends, and at boot", func() {
		prepare(w, 1, v1.Primary)
		prepare(w, 2, v1.Standby)
		h := w.Host()
		Expect(h.Units.Start(ctx, "web", v1.Primary)).To(Succeed())
		for _, end := range []func(){func() { w.Kill("web", v1.Standby) }, w.Reboot} {
			Expect(h.Units.Start(ctx, "web", v1.Standby)).To(Succeed())
			Expect(probe(w, v1.Standby, 30080).OK).To(BeTrue())
			Expect(h.Releases.Shift(ctx, "web", 30080)).To(Succeed())
			end()
			got, err := h.Releases.Observe(ctx, "web")
			Expect(err).NotTo(HaveOccurred())
			Expect(got.Upstream).To(Equal("127.0.0.1:8080"))
		}
		Expect(facts(w, v1.Primary).Running()).To(BeTrue())
		Expect(facts(w, v1.Standby).Running()).To(BeFalse())
	})

	It("collects what no root keeps and nothing runs from", func() {
		prepare(w, 1, v1.Primary)
		prepare(w, 2, v1.Primary)
		Expect(w.Host().Closures.Unroot(ctx, "web-"+instance(1).Revision)).To(Succeed())
		w.CollectGarbage()
		Expect(w.Nix.OnDisk).To(Equal(map[string]bool{path(2): true}))
	})
})
