package main

import (
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
	"deployer/controllers/fleet"
)

var _ = Describe("status", func() {
	var p *person
	BeforeEach(func(ctx SpecContext) {
		p = newPerson()
		p.must(ctx, "init")
		p.must(ctx, "add-service", `{"name":"web","hosts":["ava","biz"],"commit":"3f2a9c1d7b00aa11","artifact":{"storePath":"`+pathOne+`"}}`)
		p.must(ctx, "add-service", `{"name":"mailer","hosts":["biz"]}`)
	})

	web := func(state v1.State, sync v1.Sync, health v1.HealthState) v1.ServiceState {
		s := v1.Service{Name: "web", Artifact: &v1.Artifact{StorePath: pathOne}}
		t := v1.Target{Revision: s.Release().Revision(), Commit: "3f2a9c1d7b00aa11"}
		return v1.ServiceState{Name: "web", State: state, Sync: sync, Health: health, Desired: t, Serving: t, Since: p.clock.Add(-time.Hour)}
	}
	waiting := v1.ServiceState{Name: "mailer", State: v1.Waiting, Sync: v1.Synced, Health: v1.HealthUnknown, Reason: "NoRelease", Message: "no release yet"}
	back := func() v1.ServiceState {
		bad := web(v1.Stalled, v1.OutOfSync, v1.Healthy)
		bad.Reason, bad.Message = "RolledBack", "it ended by itself (exit status 3); 1old serves again"
		bad.Serving = v1.Target{Revision: "1old"}
		return bad
	}

	It("as people see it", func(ctx SpecContext) {
		p.transcript.Reset()
		p.run(ctx, "status")
		p.hears("biz", 3*time.Second, web(v1.Settled, v1.Synced, v1.Healthy), waiting)
		p.hears("ava", 2*time.Second, web(v1.Settled, v1.Synced, v1.Healthy))
		p.run(ctx, "status")
		p.hears("biz", 3*time.Second, back(), waiting)
		p.hears("ava", 12*time.Minute, web(v1.Settled, v1.Synced, v1.Healthy))
		p.hears("old", 48*time.Hour)
		p.run(ctx, "status")
		p.run(ctx, "status", "web")
		p.run(ctx, "status", "wbe")
		p.expectGolden("status")
	})

	DescribeTable("ends with the worst of it",
		func(ctx SpecContext, arrange func(), code int) {
			arrange()
			Expect(p.run(ctx, "status").code).To(Equal(code))
		},
		Entry("as wanted", func() {
			p.hears("ava", time.Second, web(v1.Settled, v1.Synced, v1.Healthy))
			p.hears("biz", time.Second, web(v1.Settled, v1.Synced, v1.Healthy), waiting)
		}, cli.ExitOK),
		Entry("rolled back, beside a silent host", func() { p.hears("biz", time.Second, back(), waiting) }, cli.ExitFailed),
		Entry("a host that never reported", func() {
			p.hears("biz", time.Second, web(v1.Settled, v1.Synced, v1.Healthy), waiting)
		}, cli.ExitUnknown),
		Entry("under way", func() {
			p.hears("ava", time.Second, web(v1.Rolling, v1.OutOfSync, v1.Progressing))
			p.hears("biz", time.Second, web(v1.Settled, v1.Synced, v1.Healthy), waiting)
		}, cli.ExitDifferent),
	)

	It("prints data for programs, also with --wait, and the exit code stays", func(ctx SpecContext) {
		p.hears("biz", time.Second, back())
		r := p.run(ctx, "status", "web", "-o", "json", "--wait", "--timeout", "100ms")
		Expect(r.code).To(Equal(cli.ExitFailed))
		var v fleet.View
		Expect(json.Unmarshal([]byte(r.out), &v)).To(Succeed(), r.out)
		Expect(v.Kind).To(Equal(fleet.KindFleetState))
		Expect(v.Services).To(HaveExactElements(
			And(HaveField("Host", "ava"), HaveField("Outcome", fleet.Unknown)), And(HaveField("Host", "biz"), HaveField("Outcome", fleet.Failed))))
	})
})
