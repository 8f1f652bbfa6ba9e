package main

import (
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/cmd/internal/cli"
)

var _ = Describe("rollback of a service that hosts judged", func() {
	const pathThree = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-web-3"
	var p *person
	BeforeEach(func(ctx SpecContext) {
		p = newPerson()
		p.must(ctx, "init")
		p.cache()
		p.must(ctx, "add-service", `{"name":"web","hosts":["ava","biz"],"artifact":{"storePath":"`+pathOne+`"}}`)
		p.must(ctx, "update", "web", pathTwo)
		p.must(ctx, "set", "web", "http.domain=www.example.com", "http.internalPort=8080", "-m", "another revision")
		p.must(ctx, "set", "web", "env.AREA=Live")
		p.must(ctx, "update", "web", pathThree)
	})
	// judged is what a host says of web: its verdicts.
	judged := func(verdicts ...v1.Verdict) v1.ServiceState { return v1.ServiceState{Name: "web", Verdicts: verdicts} }
	verdict := func(path string, result v1.VerdictResult, change func(*v1.Service)) v1.Verdict {
		s := v1.Service{Name: "web", Artifact: &v1.Artifact{StorePath: path}}
		if change != nil {
			change(&s)
		}
		return v1.Verdict{Instance: v1.Instance{Revision: s.Release().Revision(), Secrets: v1.NoSecrets}.String(), Result: result}
	}
	routed := func(s *v1.Service) { s.HTTP = &v1.HTTP{Domain: "www.example.com", InternalPort: 8080} }
	live := func(s *v1.Service) { routed(s); s.Env = map[string]string{"AREA": "Live"} }

	It("skips the releases that a host judged bad, and says so in a line each", func(ctx SpecContext) {
		p.hears("biz", time.Second, judged(verdict(pathTwo, v1.VerdictBad, live), verdict(pathTwo, v1.VerdictBad, routed)))
		p.hears("ava", time.Hour, judged(verdict(pathTwo, v1.VerdictBad, live), verdict(pathOne, v1.VerdictSoaked, nil)))
		r := p.run(ctx, "rollback", "--service", "web")
		Expect(r.code).To(Equal(cli.ExitOK), r.err)
		Expect(r.err).To(BeEmpty())
		Expect(r.out).To(And(
			MatchRegexp(`(?m)^skipped generation 5 \(\w+\): rolled back on ava, biz$`),
			MatchRegexp(`(?m)^skipped generation 4 \(\w+\): rolled back on biz$`),
			ContainSubstring(pathThree+" → "+pathTwo), ContainSubstring("- env.AREA"),
		))
	})

	It("skips none that is named, and none that was good where it failed later", func(ctx SpecContext) {
		p.hears("biz", time.Second, judged(verdict(pathTwo, v1.VerdictBad, live)))
		Expect(p.must(ctx, "rollback", "5", "--service", "web", "--dry-run")).To(And(Not(ContainSubstring("skipped")), ContainSubstring("→ "+pathTwo)))
		p.hears("biz", time.Second, judged(verdict(pathTwo, v1.VerdictBad, live), verdict(pathTwo, v1.VerdictSoaked, live)))
		Expect(p.must(ctx, "rollback", "--service", "web", "--dry-run")).NotTo(ContainSubstring("skipped"))
	})

	It("warns of reports that cannot be read, and goes on without", func(ctx SpecContext) {
		p.hears("biz", time.Second, judged(verdict(pathTwo, v1.VerdictBad, live)))
		Expect(os.WriteFile(filepath.Join(p.home, "store", "status", "ava.json"), []byte("{"), 0o600)).To(Succeed())
		r := p.run(ctx, "rollback", "--service", "web", "--dry-run")
		Expect(r.code).To(Equal(cli.ExitOK), r.err)
		Expect(r.err).To(ContainSubstring("warning: releases that ava judged bad are not skipped: reading status/ava.json"))
		Expect(r.out).To(ContainSubstring("skipped generation 5"), "what biz says still holds")
	})
})
