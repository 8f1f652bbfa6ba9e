package conformance

import (
	"errors"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// unitsReadySpecs are about programs that tell when they are ready.
func unitsReadySpecs(get func() *unitsCase) {
	It("returns from the start of a program that has told that it is ready", func(ctx SpecContext) {
		u := get()
		s := u.spec(v1.Primary, UnitsProgram{Notifies: true})
		instance := u.running(ctx, s, 1)
		facts := u.observe(ctx, s)
		Expect(facts.Running()).To(BeTrue())
		Expect(facts.Instance).To(Equal(instance))
	})

	It("does not wait for one that takes its time, and shows that it is activating", func(ctx SpecContext) {
		u := get()
		const ready = 4 * time.Second
		s := u.spec(v1.Primary, UnitsProgram{Notifies: true, ReadyAfter: ready})
		began := time.Now()
		instance := u.running(ctx, s, 1)
		Expect(time.Since(began)).To(BeNumerically("<", ready-time.Second))
		facts := u.observe(ctx, s)
		Expect(facts.Active).To(Equal("activating"))
		Expect(facts.Sub).To(Equal("start"))
		Expect(facts.Running()).To(BeFalse())
		Expect(facts.Instance).To(Equal(instance))
		Expect(facts.MainPID).To(BeNumerically(">", 0))
		Expect(facts.Since).To(BeZero())
		Expect(facts.Started).NotTo(BeZero())
		u.Pass(ready)
		Eventually(func() providers.UnitFacts { return u.observe(ctx, s) }).WithTimeout(unitsPatience).
			Should(HaveField("Running()", BeTrue()))
		after := u.observe(ctx, s)
		Expect(after.MainPID).To(Equal(facts.MainPID))
		Expect(after.Since).To(BeTemporally(">", after.Started))
	})

	It("leaves one that never gets ready activating, until it is stopped or started anew", func(ctx SpecContext) {
		u := get()
		s := u.spec(v1.Primary, UnitsProgram{Notifies: true, NeverReady: true})
		u.running(ctx, s, 1)
		first := u.observe(ctx, s)
		Expect(first.Active).To(Equal("activating"))
		u.Pass(2 * time.Second)
		Expect(u.observe(ctx, s).Active).To(Equal("activating"))
		Expect(u.Units.Start(ctx, "web", v1.Primary)).To(Succeed())
		second := u.observe(ctx, s)
		Expect(second.Active).To(Equal("activating"))
		Expect(second.MainPID).NotTo(Equal(first.MainPID))
		Expect(u.Units.Stop(ctx, "web", v1.Primary)).To(Succeed())
		Expect(u.observe(ctx, s).Active).To(Equal("inactive"))
	})
}

// unitsRecordSpecs are about what is known of processes that are gone.
func unitsRecordSpecs(get func() *unitsCase) {
	It("gives the last journal lines, oldest first, as many as are asked for", func(ctx SpecContext) {
		u := get()
		u.running(ctx, u.spec(v1.Primary, UnitsProgram{Says: "here I am", SaysTimes: 300}), 1)
		Eventually(func(g Gomega) {
			lines, err := u.Units.Journal(ctx, "web", v1.Primary, providers.JournalOptions{Lines: 200})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(lines).To(HaveLen(200))
			g.Expect(lines).To(HaveEach(ContainSubstring("here I am")))
		}).WithTimeout(unitsPatience).Should(Succeed())
		Expect(u.Units.Journal(ctx, "web", v1.Primary, providers.JournalOptions{Lines: 1})).To(HaveLen(1))
		Expect(u.Units.Journal(ctx, "web", v1.Primary, providers.JournalOptions{})).To(BeEmpty())
	})

	It("leaves out of the journal what was said before the instance was started", func(ctx SpecContext) {
		u := get()
		journal := func(o providers.JournalOptions) func() (string, error) {
			return func() (string, error) {
				lines, err := u.Units.Journal(ctx, "web", v1.Primary, o)
				return strings.Join(lines, "\n"), err
			}
		}
		u.running(ctx, u.spec(v1.Primary, UnitsProgram{Says: "said by the old one"}), 1)
		all := providers.JournalOptions{Lines: 1000}
		Eventually(journal(all)).WithTimeout(unitsPatience).Should(ContainSubstring("said by the old one"))
		u.Pass(time.Second)
		u.running(ctx, u.spec(v1.Primary, UnitsProgram{Says: "said by the new one"}), 2)
		since := providers.JournalOptions{Lines: 1000, Since: u.observe(ctx, u.spec(v1.Primary, UnitsProgram{})).Started}
		Eventually(journal(since)).WithTimeout(unitsPatience).Should(ContainSubstring("said by the new one"))
		Expect(journal(since)()).NotTo(ContainSubstring("said by the old one"))
		Expect(journal(all)()).To(And(ContainSubstring("said by the old one"), ContainSubstring("said by the new one")))

		By("of which nothing is lost when systemd starts the instance again")
		u.Crash("web", v1.Primary)
		Eventually(func() (int, error) {
			text, err := journal(since)()
			return strings.Count(text, "said by the new one"), err
		}).WithTimeout(unitsPatience).Should(BeNumerically(">=", 2))
	})

	It("tells how the last process ended, though systemd has started another one since", func(ctx SpecContext) {
		u := get()
		s := u.spec(v1.Primary, UnitsProgram{})
		u.running(ctx, s, 1)
		before := u.observe(ctx, s)
		u.Crash("web", v1.Primary)
		Eventually(func(g Gomega) {
			facts := u.observe(ctx, s)
			g.Expect(facts.Running()).To(BeTrue())
			g.Expect(facts.MainPID).NotTo(Equal(before.MainPID))
			exit, err := u.Units.LastExit(ctx, "web", v1.Primary)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(exit.Signal).To(Equal("KILL"))
			g.Expect(exit.Result).To(Equal("signal"))
			g.Expect(exit.Status).To(BeZero())
			g.Expect(exit.At).To(And(BeTemporally(">=", before.Started), BeTemporally("<=", facts.Started)))
		}).WithTimeout(unitsPatience).Should(Succeed())

		By("and that a stop that was asked for is no failure")
		Expect(u.Units.Stop(ctx, "web", v1.Primary)).To(Succeed())
		Eventually(func() (providers.Exit, error) { return u.Units.LastExit(ctx, "web", v1.Primary) }).
			WithTimeout(unitsPatience).Should(And(HaveField("Result", "success"), HaveField("Signal", "")))
	})

	It("tells the status with which a process exited while it started", func(ctx SpecContext) {
		u := get()
		bad := u.spec(v1.Primary, UnitsProgram{ExitsAtStart: true, Status: 3})
		u.stage(ctx, bad, 1)
		Expect(u.Units.Install(ctx, bad)).To(Succeed())
		Expect(u.Units.Start(ctx, "web", v1.Primary)).NotTo(Succeed())
		Eventually(func() (providers.Exit, error) { return u.Units.LastExit(ctx, "web", v1.Primary) }).
			WithTimeout(unitsPatience).Should(And(HaveField("Status", 3), HaveField("Result", "exit-code"), HaveField("Signal", "")))
	})

	It("knows of no exit of what never ran: ErrNotFound", func(ctx SpecContext) {
		_, err := get().Units.LastExit(ctx, "never-ran", v1.Standby)
		Expect(errors.Is(err, providers.ErrNotFound)).To(BeTrue(), "%v", err)
	})
}
