package probe_test

import (
	"context"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/fake"
)

var _ = Describe("conformance", func() {
	Context("of the fake", func() {
		conformance.Prober(func() conformance.ProberHost {
			w := fake.New()
			return conformance.ProberHost{
				Prober:    w.Host().Prober,
				Answering: func(code int) providers.ProbeRequest { return inFake(w, fake.Program{Answer: code}) },
				Silent:    func() providers.ProbeRequest { return inFake(w, fake.Program{NeverListens: true}) },
				Displaced: func() providers.ProbeRequest {
					w.Listeners[8080] = "nginx"
					return inFake(w, fake.Program{NeverListens: true})
				},
			}
		})
	})
	Context("of the real one", func() {
		conformance.Prober(func() conformance.ProberHost {
			s := newSlot("systemd", os.Getpid())
			return conformance.ProberHost{
				Prober:    s.prober,
				Answering: func(code int) providers.ProbeRequest { return ask(serve(status(code))) },
				Silent:    func() providers.ProbeRequest { return ask(closedPort()) },
				Displaced: func() providers.ProbeRequest {
					s.write("systemd"+group, sleeper())
					return ask(serve(status(200)))
				},
			}
		})
	})
})

// inFake starts a program in a fake host's primary slot.
func inFake(w *fake.World, program fake.Program) providers.ProbeRequest {
	GinkgoHelper()
	ctx := context.Background()
	const path = "/nix/store/00000000000000000000000000000000-web"
	w.Programs[path] = program
	r := v1.Release{Service: "web", StorePath: path, InternalPort: 8080, Env: map[string]string{"PORT": "8080"}}.Default()
	instance := v1.Instance{Revision: "r1", Secrets: v1.NoSecrets}
	h := w.Host()
	w.Publish(path)
	Expect(h.Closures.Root(ctx, "web-r1", path)).To(Succeed())
	Expect(h.Closures.Pull(ctx, path)).To(Succeed())
	Expect(h.Releases.Stage(ctx, providers.StageRequest{Instance: instance, Release: r})).To(Succeed())
	Expect(h.Releases.Point(ctx, "web", v1.Primary, instance.String())).To(Succeed())
	spec := providers.UnitSpec{Service: "web", Slot: v1.Primary, Release: &r}
	Expect(h.Units.Install(ctx, spec)).To(Succeed())
	Expect(h.Units.Start(ctx, "web", v1.Primary)).To(Succeed())
	facts, err := h.Units.Observe(ctx, spec)
	Expect(err).NotTo(HaveOccurred())
	return providers.ProbeRequest{
		Service: "web", Slot: v1.Primary, Type: v1.HealthHTTP, Host: "web.example.com", Port: 8080, ControlGroup: facts.ControlGroup,
	}
}
