package faults_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/closure"
	"deployer/test/env"
	"deployer/test/suites/stage"
)

var _ = Describe("Names", func() {
	It("survives F15: under its new name a service is up before the old one goes", func(ctx SpecContext) {
		old := stage.Overlapping("former", 8370)
		old.Artifact.StorePath = s.Release(ctx, "one")
		s.StartService(ctx, stage.Changed(old, stage.Change{Release: "same"}))
		s.WaitAnswer(ctx, "former", "same")
		renamed := old
		renamed.Name = "latter"
		renamed = stage.Changed(renamed, stage.Change{Release: "same"})
		watch := s.StartWatch(ctx, "former", "same") // its domain, which is the new one's, too
		DeferCleanup(func(ctx SpecContext) { s.Remove(ctx, "latter") })

		s.Rename(ctx, "former", renamed)
		s.WaitAtRest(ctx, renamed)
		s.WaitGone(ctx, "former")
		watch.End()
	})

	It("survives F15: a service that moves goes from here, and a protected one does not", func(ctx SpecContext) {
		moving, staying := stage.Overlapping("moving", 8371), stage.Overlapping("staying", 8372)
		for _, service := range []v1.Service{moving, staying} {
			service.Artifact.StorePath = s.Release(ctx, "one")
			service.Protect = service.Name == "staying"
			s.StartService(ctx, stage.Changed(service, stage.Change{Release: service.Name}))
		}
		DeferCleanup(func(ctx SpecContext) {
			s.OK(ctx, s.Laptop, "deploy-manifest", "set", "staying", "protect=false")
		})
		ava, err := s.Lab.Up(ctx, "ava", env.HostOptions{TrustedPublicKeys: []string{s.Key}, Config: stage.Quick()})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx SpecContext) { Expect(ava.Down(ctx)).To(Succeed()) })
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", "moving", "hosts=ava")
		s.WaitGone(ctx, "moving")
		Eventually(ctx, func() (v1.State, error) {
			state, err := stage.StateOf(ctx, ava)
			if err != nil || len(state.Services) == 0 {
				return "", err
			}
			return state.Services[0].State, nil
		}).WithTimeout(stage.Patience).Should(Equal(v1.Settled))

		By("protected")
		refused := s.Run(ctx, s.Laptop, "deploy-manifest", "set", "staying", "hosts=ava")
		Expect(refused.Code).NotTo(Equal(0))
		Expect(refused.Err).To(ContainSubstring("staying is protected"))
		s.WaitAnswer(ctx, "staying", "staying")
	})

	It("survives F16: a host that is renamed keeps its name here, and all that it runs", func(ctx SpecContext) {
		service := stage.Overlapping("anchored", 8373)
		service.Artifact.StorePath = s.Release(ctx, "one")
		s.StartService(ctx, stage.Changed(service, stage.Change{Release: "one"}))
		before := pid(ctx, service.Name)
		DeferCleanup(func(ctx SpecContext) {
			s.Shell(ctx, s.Biz, "hostname biz; echo biz >/etc/hostname; sed -i 's/^host: .*/host: biz/' /etc/biz-deployer/config.yaml; systemctl restart biz-deployer")
		})
		s.Shell(ctx, s.Biz, "hostname other; echo other >/etc/hostname; sed -i 's/^host: .*/host: other/' /etc/biz-deployer/config.yaml; systemctl restart biz-deployer")
		s.WaitGood(ctx, stage.Changed(service, stage.Change{Release: "one"}))
		Expect(pid(ctx, service.Name)).To(Equal(before))
		said := s.OK(ctx, s.Biz, "journalctl", "--no-pager", "-o", "cat", "-u", daemon)
		Expect(said).To(ContainSubstring("HostRenamed"))
		doctor := s.Run(ctx, s.Biz, "deployerctl", "doctor")
		Expect(doctor.Out + doctor.Err).To(ContainSubstring("other"))
		status := s.Run(ctx, s.Biz, "deployerctl", "status")
		Expect(status.Out).To(HavePrefix("biz: generation"))
	})
})

var _ = Describe("The Nix store", func() {
	It("survives F19: a collector that never stops takes nothing that is needed", func(ctx SpecContext) {
		s.OK(ctx, s.Biz, "systemd-run", "--quiet", "--unit=collector", "--setenv=NIX_REMOTE=local",
			"sh", "-c", "while :; do nix-store --gc >/dev/null 2>&1; echo collected; done")
		DeferCleanup(func(ctx SpecContext) { s.Run(ctx, s.Biz, "systemctl", "stop", "collector") })
		service := stage.Overlapping("collected", 8374)
		service.Artifact.StorePath = s.Release(ctx, "one")
		good := stage.Changed(service, stage.Change{Release: "start"})
		s.StartService(ctx, good)
		s.WaitAnswer(ctx, service.Name, "start")
		l := s.StartLoad(ctx, few(service.Name))
		for _, name := range []string{"gc1", "gc2", "gc3"} {
			spec := closure.Spec{Name: "app", Release: name, Blobs: 8, BlobSize: 1 << 20}
			path := s.Build(ctx, s.Laptop, spec)
			s.OK(ctx, s.Laptop, "deploy-push", stage.Carrier, path)
			good = stage.Changed(service, stage.Change{Release: name, StorePath: path})
			s.Apply(ctx, good)
			s.WaitGood(ctx, good)
			// Every path of the closure, by Nix's own books and on the disk.
			s.Shell(ctx, s.Biz, "export NIX_REMOTE=local; nix-store --query --requisites "+path+" | xargs nix-store --verify-path")
		}
		s.WaitAtRest(ctx, good)
		report := l.End()
		Expect(report.Total().Failed).To(BeZero(), "%s", report)
		Expect(s.Said(ctx, "sh", "collected")).To(BeNumerically(">=", 3), "the collector has run")
	})

	It("survives F20: a root that is gone comes back, and a path that is gone is fetched again", func(ctx SpecContext) {
		service := stage.Overlapping("damaged", 8375)
		one := stage.Changed(service, stage.Change{Release: "one", StorePath: s.Release(ctx, "one")})
		two := stage.Changed(service, stage.Change{Release: "two", StorePath: s.Release(ctx, "two")})
		s.StartService(ctx, one)
		s.Apply(ctx, two)
		s.WaitAtRest(ctx, two)
		root := "/nix/var/nix/gcroots/biz/" + service.Name + "-" + two.Release().Revision()

		By("the root of what runs")
		l := s.StartLoad(ctx, few(service.Name))
		stage.Within(5*time.Second, "root deleted → back", func() {
			s.OK(ctx, s.Biz, "rm", root)
			Eventually(ctx, func() int { return s.Run(ctx, s.Biz, "test", "-L", root).Code }).WithTimeout(stage.Patience).Should(Equal(0))
		})

		By("the store path of what runs, which Nix still believes in")
		stage.Within(5*time.Second, "store path deleted → fetched again", func() {
			s.Shell(ctx, s.Biz, "rm -rf "+two.Artifact.StorePath)
			Eventually(ctx, func() int { return s.Run(ctx, s.Biz, "test", "-x", two.Artifact.StorePath+"/bin/app").Code }).
				WithTimeout(stage.Patience).Should(Equal(0))
		})
		s.WaitAtRest(ctx, two)

		By("the store path of what people go back to")
		s.Shell(ctx, s.Biz, "rm -rf "+one.Artifact.StorePath)
		s.Apply(ctx, one)
		s.WaitAtRest(ctx, one)
		s.WaitAnswer(ctx, service.Name, "one")
		s.OK(ctx, s.Biz, "env", "NIX_REMOTE=local", "nix-store", "--verify-path", one.Artifact.StorePath)
		report := l.End()
		Expect(report.Total().Failed).To(BeZero(), "%s", report)
		Expect(strings.TrimSpace(s.OK(ctx, s.Biz, "systemctl", "show", "-P", "NRestarts", service.Name))).To(Equal("0"))
	})
})
