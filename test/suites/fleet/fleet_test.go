package fleet_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/fleet"
	"deployer/test/env"
	"deployer/test/suites/stage"
)

var _ = Describe("A fleet of two, with a canary", Ordered, func() {
	var good v1.Target // what served last, and was good

	It("serves the first release on both, and the push says so from the first step to the last", func(ctx SpecContext) {
		service := stage.Overlapping("web", 8400)
		service.Hosts, service.Deploy.Order = []string{"ava", "biz"}, []string{"biz"}
		s.Add(ctx, service)
		stage.Within(8*time.Second, "first push --wait: build, upload, pull, soak, on one host after the other", func() {
			out := s.OK(ctx, s.Laptop, "deploy-push", "web", build(ctx, "one", nil), "--wait", "--commit", "c0ffee")
			Expect(out).To(MatchRegexp(`(?s)web on ava: .*waits until it has soaked on biz.*web on biz: settled.*web on ava: settled`))
		})
		v, code := view(ctx)
		Expect(code).To(Equal(0))
		for _, host := range []string{"ava", "biz"} {
			Expect(on(v, host)).To(And(HaveField("Outcome", fleet.AsWanted), HaveField("Live", true), HaveField("Serving.Commit", "c0ffee")))
		}
		Expect(v.Hosts).To(HaveEach(And(HaveField("Silent", false), HaveField("Generation", v.Generation), HaveField("Daemon", Not(BeEmpty())))))
	})

	It("tells live from settled", func(ctx SpecContext) {
		// A host reports at most once a second: what is shorter than that may stay unseen.
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", "web", "deploy.soak=3s")
		DeferCleanup(func(ctx SpecContext) { s.OK(ctx, s.Laptop, "deploy-manifest", "set", "web", "deploy.soak=500ms") })
		out := s.OK(ctx, s.Laptop, "deploy-push", "web", build(ctx, "two", nil), "--wait")
		Expect(out).To(MatchRegexp(`(?s)web on biz: live.*web on biz: settled`))
		v, _ := view(ctx)
		good = on(v, "biz").Serving
		Expect(on(v, "ava").Serving.Revision).To(Equal(good.Revision))
	})

	It("rolls a bad release back on the canary, never starts it on the other, and the push ends with 3 and its last words", func(ctx SpecContext) {
		r := s.Run(ctx, s.Laptop, "deploy-push", "web", build(ctx, "three", map[string]string{"mode": "exit", "exit-code": "7"}), "--wait")
		Expect(r.Code).To(Equal(3), r.String())
		Expect(r.Out).To(And(
			ContainSubstring("web on biz: RolledBack"),
			ContainSubstring("release three: exiting with 7, as told"),
			ContainSubstring("web on ava: HeldByFleet"), ContainSubstring("was bad on biz")))
		Expect(r.Err).To(ContainSubstring("web on ava: HeldByFleet; web on biz: RolledBack"))

		held := stateOn(ctx, ava)
		Expect(held).To(And(HaveField("State", v1.Waiting), HaveField("Sync", v1.OutOfSync), HaveField("Health", v1.Healthy), HaveField("Serving.Revision", good.Revision)))
		Expect(s.Shell(ctx, ava, "ls /var/lib/biz-deployer/releases/web")).NotTo(ContainSubstring(held.Desired.Revision))
		Expect(s.Shell(ctx, ava, "journalctl --no-pager -o cat -u web -u web-standby")).NotTo(ContainSubstring("release three"))
		Expect(s.OK(ctx, ava, "deployerctl", "why", "web")).To(ContainSubstring("web on ava waits: "))
		_, code := view(ctx)
		Expect(code).To(Equal(3))
	})

	It("tells people of it", func(ctx SpecContext) {
		Eventually(ctx, func() string { return s.Run(ctx, s.Biz, "cat", told).Out }).WithTimeout(stage.Patience).Should(
			ContainSubstring(`"text":"web on biz was rolled back: `))
	})

	It("serves the fix on both, and tells people of the recovery, and of nothing twice", func(ctx SpecContext) {
		s.OK(ctx, s.Laptop, "deploy-push", "web", build(ctx, "four", nil), "--wait")
		Expect(stateOn(ctx, ava).Serving.StorePath).To(Equal(build(ctx, "four", nil)))
		s.WaitAnswer(ctx, "web", "four")
		Eventually(ctx, func() string { return s.OK(ctx, s.Biz, "cat", told) }).WithTimeout(stage.Patience).Should(
			ContainSubstring(`"text":"web on biz is as wanted again: `))
		Expect(strings.Count(s.OK(ctx, s.Biz, "cat", told), "\n")).To(Equal(2))
	})

	It("lets a host that was off catch up", func(ctx SpecContext) {
		Expect(ava.PowerOff()).To(Succeed())
		path := build(ctx, "five", nil)
		r := s.Run(ctx, s.Laptop, "deploy-push", "web", path, "--wait", "--timeout", "3s")
		Expect(r.Code).To(Equal(5), r.String())
		Expect(r.Err).To(ContainSubstring("web on ava: NotLookedAt"))
		Expect(s.WaitSettled(ctx, "web").Serving.StorePath).To(Equal(path))
		Expect(ava.Boot(ctx)).To(Succeed())
		stage.Within(4*time.Second, "boot → status --wait is content", func() {
			s.OK(ctx, s.Laptop, "deploy-manifest", "status", "web", "--wait", "--timeout", "30s")
		})
		Expect(stateOn(ctx, ava).Serving.StorePath).To(Equal(path))
	})

	It("takes a service down, and the fleet says when nothing is left", func(ctx SpecContext) {
		s.OK(ctx, s.Laptop, "deploy-manifest", "set", "web", "hosts=biz")
		s.OK(ctx, s.Laptop, "deploy-manifest", "status", "web", "--wait", "--timeout", "30s")
		v, code := view(ctx, "web")
		Expect(code).To(Equal(0))
		Expect(v.Services).To(HaveExactElements(HaveField("Host", "biz")))
	})
})

var _ = Describe("A host's own credentials", Ordered, func() {
	put := func(ctx context.Context, host, key string) string {
		_, err := s.Lab.S3.Client(env.HostUser(host)).PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String(env.Bucket), Key: aws.String(key), Body: strings.NewReader("{}"),
		})
		var api smithy.APIError
		if errors.As(err, &api) {
			return api.ErrorCode()
		}
		Expect(err).NotTo(HaveOccurred())
		return ""
	}

	It("write its report, and neither the manifest, the cache nor another host's report", func(ctx SpecContext) {
		for _, key := range []string{"manifest.json", "manifests/manifest-20261216T033000Z.json", "0123456789abcdfghijklmnpqrsvwxyz.narinfo", "nar/x.nar.zst", "status/ava.json"} {
			Expect(put(ctx, "biz", key)).To(Equal("AccessDenied"), key)
		}
		said := s.Refuses(ctx, s.Biz, 1, "deploy-manifest", "add-service", `{"name":"evil","hosts":["biz"]}`)
		Expect(said).To(ContainSubstring("denied access"))
		Eventually(ctx, func() []fleet.Host {
			v, _ := view(ctx)
			return v.Hosts
		}).WithTimeout(stage.Patience).Should(ContainElement(And(HaveField("Name", "ava"), HaveField("Problem", ""))))
	})

	It("that may not write a report keep nothing from working, and status says so once", func(ctx SpecContext) {
		const credentials = "/root/.aws/credentials"
		own, err := ava.Read(ctx, credentials)
		Expect(err).NotTo(HaveOccurred())
		theirs, err := s.Biz.Read(ctx, credentials)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func(ctx SpecContext) {
			Expect(ava.Write(ctx, credentials, own, 0o600)).To(Succeed())
			s.OK(ctx, ava, "systemctl", "restart", "biz-deployer")
			s.OK(ctx, s.Laptop, "deploy-manifest", "remove-service", "mail")
		})
		Expect(ava.Write(ctx, credentials, theirs, 0o600)).To(Succeed())
		s.OK(ctx, ava, "systemctl", "restart", "biz-deployer")

		mail := stage.Overlapping("mail", 8401)
		mail.Hosts, mail.HTTP, mail.Health = []string{"ava"}, nil, nil
		mail.Deploy = v1.Deploy{Soak: mail.Deploy.Soak}
		s.Add(ctx, mail)
		s.OK(ctx, s.Laptop, "deploy-push", "mail", build(ctx, "one", nil))
		Eventually(ctx, func(g Gomega, ctx context.Context) {
			state, err := stage.StateOf(ctx, ava)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(state.Services).To(ContainElement(And(HaveField("Name", "mail"), HaveField("State", v1.Settled))))
			g.Expect(v1.FindCondition(state.Conditions, v1.Reported)).To(And(HaveField("Status", v1.False), HaveField("Reason", "AccessDenied")))
		}).WithTimeout(stage.Patience).Should(Succeed())
		journal := s.Shell(ctx, ava, "journalctl --no-pager -o cat -b -u biz-deployer")
		Expect(strings.Count(journal, "report is not written")).To(Equal(1), journal)
	})
})
