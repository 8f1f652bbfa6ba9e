package main

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/cmd/internal/host"
	"deployer/providers/fake"
)

var _ = Describe("doctor --deep", func() {
	const web = "/nix/store/00000000000000000000000000000000-web"
	var w *fake.World
	var d *doctor
	state := v1.HostState{Services: []v1.ServiceState{{Desired: v1.Target{StorePath: web}}}}
	BeforeEach(func(ctx SpecContext) {
		w = fake.New()
		d = &doctor{Handle: &host.Handle{Host: w.Host()}}
		w.Publish(web)
		Expect(d.Closures.Pull(ctx, web)).To(Succeed())
	})

	It("finds what was altered, and repairs it only when it is told to", func(ctx SpecContext) {
		Expect(d.content(ctx, state, deepCheck{})).To(HaveExactElements(HaveField("Message", "all 1 have the content that was registered")))
		w.Nix.Altered[web] = true
		Expect(d.content(ctx, state, deepCheck{})).To(HaveExactElements(And(HaveField("OK", false), HaveField("Remedy", "deployerctl doctor --deep --repair"))))
		Expect(w.Nix.Altered).To(HaveKey(web))
		Expect(d.content(ctx, state, deepCheck{repair: true})).To(HaveExactElements(And(HaveField("OK", true), HaveField("Message", ContainSubstring("repaired from the cache")))))
		Expect(w.Nix.Altered).To(BeEmpty())
	})

	It("says why something cannot be repaired, and when nothing is in force", func(ctx SpecContext) {
		w.Nix.Altered[web] = true
		delete(w.Nix.Cache, web)
		Expect(d.content(ctx, state, deepCheck{repair: true})).To(HaveExactElements(And(HaveField("OK", false), HaveField("Message", ContainSubstring("could not be repaired: no cache has")))))
		Expect(d.content(ctx, v1.HostState{}, deepCheck{})).To(HaveExactElements(HaveField("OK", true)))
	})

	DescribeTable("takes no flags that mean nothing", func(args ...string) {
		code, _, _ := run(daemon(nil), append([]string{"doctor"}, args...)...)
		Expect(code).To(Equal(cli.ExitUsage))
	},
		Entry(nil, "--repair"), Entry(nil, "--deep", web),
	)
})
