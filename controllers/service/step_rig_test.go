package service

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// aStep is what every step must be, whatever it does. Each step_<name>_test.go says how
// to come to its step, and adds what is special about it.
type aStep struct {
	step Step
	// setup brings host and manifest to where the step will come.
	setup func(g *rig)
	// effects are the calls that it makes, in order; without any it only waits.
	effects []string
	// side: the pass goes on when it fails.
	side bool
}

func (c aStep) specs() {
	var g *rig
	var about *Scope
	name := c.step.Name()
	BeforeEach(func() {
		g = newRig()
		c.setup(g)
		about = g.reach(name)
		g.ForgetCalls()
	})

	// run takes the step, as often as it says "not yet".
	run := func(about *Scope) *Scope {
		GinkgoHelper()
		for range 100 {
			result, err := c.step.Run(context.Background(), about)
			Expect(err).NotTo(HaveOccurred())
			if about = g.again(about); result.RequeueAfter == 0 || c.step.Done(about) {
				return about
			}
			g.Clock.Advance(result.RequeueAfter)
		}
		Fail("it never has its effect")
		return nil
	}

	It("says in status that it is not done, and why", func() {
		Expect(c.step.Done(about)).To(BeFalse())
		Expect(c.step.Why(about)).NotTo(BeEmpty())
		s := g.again(about)
		cond := v1.FindCondition(conditionsOf(s, nil, judge(s, nil), g.Clock.Now()), c.step.Condition())
		Expect(cond).NotTo(BeNil())
		Expect(cond.Status).To(Equal(v1.False))
		Expect(cond.Reason).To(Equal(intent(c.step)))
		Expect(cond.Message).To(Equal(c.step.Why(about)))
	})

	It("has its effect by these calls only, and is done then, and is not run", func() {
		after := run(about)
		Expect(methods(g.changes())).To(Equal(c.effects))
		Expect(c.step.Done(after)).To(BeTrue())
		next, _ := Next(after)
		if next != nil {
			Expect(next.Name()).NotTo(Equal(name))
		}
	})

	It("may be run again", func() {
		after := run(about)
		was := g.picture("web")
		_, err := c.step.Run(context.Background(), after)
		Expect(err).NotTo(HaveOccurred())
		Expect(g.picture("web")).To(Equal(was))
	})

	It("is done once it is assumed to be", func() {
		about.ownFacts()
		c.step.Assume(about)
		Expect(c.step.Done(about)).To(BeTrue())
	})

	for i, effect := range c.effects {
		It("shows in status that "+effect+" failed, and changes nothing else", func() {
			g.FailNext(effect, &providers.Fault{Reason: "Broken", Message: "it is broken", Err: providers.ErrUnavailable})
			result, err := g.pass("web")
			for err == nil && result.RequeueAfter > 0 && !c.side {
				g.Clock.Advance(result.RequeueAfter)
				result, err = g.pass("web")
			}
			Expect(g.events("web")).To(ContainElement("Broken"))
			Expect(g.state("web").Reason).To(Equal("Broken"))
			if !c.side {
				Expect(err).To(MatchError(providers.ErrUnavailable))
				Expect(g.state("web").Sync).To(Equal(v1.OutOfSync))
				Expect(methods(g.changes())).To(Equal(c.effects[:i+1]))
			}
			g.Heal("")
			Expect(g.drive("web", 60*second)).To(Succeed())
		})
	}
}

// methods of calls, without what they were about, each once in a row.
func methods(calls []string) []string {
	var out []string
	for _, call := range calls {
		method, _, _ := strings.Cut(call, " ")
		if n := len(out); n == 0 || out[n-1] != method {
			out = append(out, method)
		}
	}
	return out
}
