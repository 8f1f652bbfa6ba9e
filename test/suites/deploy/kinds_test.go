package deploy_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/test/suites/stage"
)

var _ = Describe("Other kinds of services", func() {
	It("runs a worker, which has no route", func(ctx SpecContext) {
		worker := stage.Web("worker", 0)
		worker.HTTP, worker.Env, worker.Health = nil, map[string]string{"PROGRAM_MODE": "worker"}, nil
		s.Deploy(ctx, worker, "one")
		Expect(s.OK(ctx, s.Biz, "deployerctl", "logs", "worker")).To(ContainSubstring("release one working"))
		Expect(caddyConfig(ctx)).NotTo(ContainSubstring("biz-deployer/worker"))
	})

	It("does not touch a service of another host", func(ctx SpecContext) {
		other := stage.Web("elsewhere", 8111)
		other.Hosts = []string{"bizz"}
		s.AddForNow(ctx, other)
		s.Push(ctx, other.Name, "one")
		s.WaitGeneration(ctx)
		_, err := s.Service(ctx, other.Name)
		Expect(err).To(HaveOccurred())
		Expect(s.Shell(ctx, s.Biz, "ls /var/lib/biz-deployer/releases /nix/var/nix/gcroots/biz")).NotTo(ContainSubstring("elsewhere"))

		By("and runs it as soon as its hosts name this one, and takes it down when they do not any more")
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", other.Name, "hosts=biz")
		s.WaitAnswer(ctx, other.Name, "one")
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", other.Name, "hosts=bizz")
		s.WaitGone(ctx, other.Name)
	})

	It("brings two services up at once", func(ctx SpecContext) {
		path := s.Release(ctx, "one")
		one, two := stage.Web("left", 8112), stage.Web("right", 8113)
		one.Artifact, two.Artifact = &v1.Artifact{StorePath: path}, &v1.Artifact{StorePath: path}
		s.AddForNow(ctx, one)
		s.AddForNow(ctx, two)
		stage.Within(2*time.Second, "two services added → both answer", func() {
			s.WaitAnswer(ctx, "left", "one")
			s.WaitAnswer(ctx, "right", "one")
		})
		s.WaitSettled(ctx, "left")
		s.WaitSettled(ctx, "right")
		Expect(strings.Count(caddyConfig(ctx), `"biz-deployer/`)).To(BeNumerically(">=", 2))
		s.Remove(ctx, "left")
		s.WaitAnswer(ctx, "right", "one")
	})
})
