package conformance

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
)

func unitsDriftSpecs(get func() *unitsCase) {
	DescribeTable("sees what was done by hand to a running unit, and heals it without a restart",
		func(ctx SpecContext, what, says string) {
			u := get()
			s := u.spec(v1.Primary, UnitsProgram{})
			u.running(ctx, s, 1)
			before := u.observe(ctx, s)
			Expect(before.Differs).To(BeEmpty())
			u.Drift(what, "web", v1.Primary)
			Eventually(func(g Gomega) {
				facts := u.observe(ctx, s)
				g.Expect(facts.Current).To(BeFalse())
				g.Expect(facts.Ours).To(BeTrue())
				g.Expect(facts.Differs).To(ContainElement(ContainSubstring(says)))
			}).WithTimeout(unitsPatience).Should(Succeed())
			Expect(u.Units.Install(ctx, s)).To(Succeed())
			after := u.observe(ctx, s)
			Expect(after.Differs).To(BeEmpty())
			Expect(after.Current).To(BeTrue())
			Expect(after.MainPID).To(Equal(before.MainPID))
			Expect(after.Running()).To(BeTrue())
		},
		Entry("an edited unit file", "edit", "unit file"),
		Entry("a drop-in", "drop-in", "drop-in"),
		Entry("a mask", "mask", "masked"),
		Entry("a link that was removed", "unlink", "not linked"),
		Entry("a disabled unit", "disable", "disabled"),
	)

	DescribeTable("tells of a process that was started with somebody's settings, while they are there",
		func(ctx SpecContext, what string) {
			u := get()
			s := u.spec(v1.Primary, UnitsProgram{})
			u.running(ctx, s, 1)
			u.Drift(what, "web", v1.Primary)
			Expect(u.observe(ctx, s).Altered).To(BeFalse(), "it was there before")
			u.Crash("web", v1.Primary)
			Eventually(func(g Gomega) {
				facts := u.observe(ctx, s)
				g.Expect(facts.Running()).To(BeTrue())
				g.Expect(facts.Altered).To(BeTrue())
			}).WithTimeout(unitsPatience).Should(Succeed())
			Expect(u.Units.Install(ctx, s)).To(Succeed())
			Expect(u.observe(ctx, s).Altered).To(BeFalse(), "nothing shows it any more")
			Expect(u.Units.Start(ctx, "web", v1.Primary)).To(Succeed())
			Expect(u.observe(ctx, s).Altered).To(BeFalse())
		},
		Entry("an edited unit file", "edit"),
		Entry("a drop-in", "drop-in"),
	)
}

func unitsProcessSpecs(get func() *unitsCase) {
	It("hands every odd character of the arguments to the process exactly", func(ctx SpecContext) {
		u := get()
		args := []string{
			"plain", "", " ", "two words", "\ttab\t", `back\slash`, `\`, `\n`, `\x41`, `"double"`, `'single'`, `"`, `'`,
			"100%", "%n %i %%", "%", "$HOME", "${HOME}", "$$", ";", "\\;", "#hash", "a;b", "é ü 漢 🚀", "\x01\x1b[31m\x7f", "-", "--", "@", "!", "+", ":",
			"a=b", "~", "*", "?", "[a]", "{a,b}", "`id`", "$(id)", "|", "&", ">", "\r",
		}
		s := u.spec(v1.Primary, UnitsProgram{})
		s.Release.Exec.Args = append(s.Release.Exec.Args, args...)
		u.running(ctx, s, 1)
		Expect(u.observe(ctx, s).Differs).To(BeEmpty())
		Expect(u.Saw("web", v1.Primary).Args).To(Equal(args))
	})

	It("gives the environment of the release, and the standby's own port", func(ctx SpecContext) {
		u := get()
		for _, slot := range []v1.Slot{v1.Primary, v1.Standby} {
			s := u.spec(slot, UnitsProgram{})
			env := map[string]string{"PORT": "8080", "AREA": "Live"}
			for k, v := range s.Release.Env {
				env[k] = v
			}
			s.Release.Env = env
			u.running(ctx, s, 1)
		}
		primary, standby := u.Saw("web", v1.Primary), u.Saw("web", v1.Standby)
		Expect(primary.Env).To(And(HaveKeyWithValue("PORT", "8080"), HaveKeyWithValue("AREA", "Live")))
		Expect(standby.Env).To(And(HaveKeyWithValue("PORT", "31234"), HaveKeyWithValue("AREA", "Live")))
		Expect(standby.Env["RUNTIME_DIRECTORY"]).NotTo(Equal(primary.Env["RUNTIME_DIRECTORY"]))
	})
}
