package fleet

import (
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

var _ = Describe("whether a host may start a revision", func() {
	const revision = "1new"
	verdicts := func(all ...v1.Verdict) v1.ServiceState {
		return v1.ServiceState{Name: "web", State: v1.Stalled, Desired: v1.Target{Revision: revision}, Reason: "RolledBack", Message: "no", Verdicts: all}
	}
	verdict := func(instance string, result v1.VerdictResult) v1.Verdict {
		return v1.Verdict{Instance: instance, Result: result, Reason: "Exited", Message: "1new ended by itself; look there"}
	}
	bad, good := verdict("1new-a", v1.VerdictBad), verdict("1new-a", v1.VerdictSoaked)
	soaking := v1.ServiceState{Name: "web", State: v1.Rolling, Desired: v1.Target{Revision: revision}, Reason: "Soaking", Message: "for 3 s"}
	otherLineage := func() Said { r := saying("ava", verdicts(bad)); r.State.Lineage = "x"; return r }

	ask := func(order []string, waits time.Duration, reports ...Said) error {
		return Admit(Question{
			Host: "biz", Revision: revision, Lineage: "l", Now: now, WaitsSince: now.Add(-waits),
			Service: &v1.Service{Name: "web", Hosts: []string{"ava", "biz", "cyd"}, Deploy: v1.Deploy{Order: order}},
		}, reports)
	}

	DescribeTable("without an order",
		func(report Said, reason, text string) {
			err := ask(nil, 0, report)
			Expect(providers.ReasonOf(err)).To(Equal(reason))
			if text != "" {
				Expect(err).To(MatchError(ContainSubstring(text)))
			}
		},
		Entry("nobody has tried it", saying("ava", settled(manifestOf("ava"))), "", ""),
		Entry("it was bad elsewhere", saying("ava", verdicts(bad)), HeldByFleet, "1new was bad on ava (Exited: 1new ended by itself), so it is not started here"),
		Entry("it was bad on a host that has gone silent", old(saying("ava", verdicts(bad)), time.Hour), HeldByFleet, "bad on ava"),
		Entry("it is good elsewhere", saying("ava", verdicts(good)), "", ""),
		Entry("another revision was bad", saying("ava", verdicts(verdict("1newer-a", v1.VerdictBad))), "", ""),
		Entry("it was bad with other secrets of that host, and good before", saying("ava", verdicts(verdict("1new-b", v1.VerdictBad), good)), "", ""),
		Entry("it was bad under another manifest", otherLineage(), "", ""),
		Entry("it was bad here, which is this host's own business", saying("biz", verdicts(bad)), "", ""),
		Entry("nothing is known", never("ava"), "", ""),
		Entry("the store does not answer", Said{Host: "ava", Err: providers.ErrUnavailable}, "", ""),
	)

	DescribeTable("in an order",
		func(order []string, waits time.Duration, report Said, reason, text string) {
			err := ask(order, waits, report)
			Expect(providers.ReasonOf(err)).To(Equal(reason), "%v", err)
			if text != "" {
				Expect(err).To(MatchError(ContainSubstring(text)))
			}
		},
		Entry("the canary soaked it", []string{"ava"}, time.Second, saying("ava", verdicts(good)), "", ""),
		Entry("the canary soaked it and is off now", []string{"ava"}, time.Second, old(saying("ava", verdicts(good)), time.Hour), "", ""),
		Entry("the canary soaks it", []string{"ava", "biz"}, time.Second, saying("ava", soaking), WaitsForCanary, "on ava, which comes first in deploy.order; there it is Rolling (Soaking: for 3 s)"),
		Entry("the canary has not begun", []string{"ava"}, time.Hour, saying("ava", settled(manifestOf("ava"))), WaitsForCanary, "not begun yet"),
		Entry("the canary says nothing of it yet", []string{"ava"}, time.Hour, saying("ava"), WaitsForCanary, "nobody has looked"),
		Entry("the canary is held", []string{"ava"}, time.Hour, saying("ava", v1.ServiceState{
			Name: "web", State: v1.HeldState, Desired: v1.Target{Revision: revision}, Message: "held by ann",
		}), WaitsForCanary, "there it is held: held by ann"),
		Entry("it was bad on the canary", []string{"ava"}, time.Second, saying("ava", verdicts(bad)), HeldByFleet, ""),
		Entry("we are the canary", []string{"biz", "ava"}, time.Second, saying("ava"), "", ""),
		Entry("the canary is no host of the service", []string{"eve"}, time.Second, never("eve"), "", ""),
		Entry("the canary has been silent for a while", []string{"ava"}, time.Hour, old(saying("ava", soaking), 5*time.Minute), WaitsForCanary, "its last report is 5 min old; after 10 min of silence this host goes on"),
		Entry("the canary has been silent for long", []string{"ava"}, 3*time.Minute, old(saying("ava", soaking), 11*time.Minute), "", ""),
		Entry("the canary seems silent, but a clock may be wrong", []string{"ava"}, time.Minute, old(saying("ava", soaking), 11*time.Minute), WaitsForCanary, "silent"),
		Entry("the canary never reported", []string{"ava"}, time.Minute, never("ava"), WaitsForCanary, "never written a report"),
		Entry("the canary never reported, for long", []string{"ava"}, 10*time.Minute, never("ava"), "", ""),
		Entry("the canary's report cannot be read", []string{"ava"}, time.Minute, Said{Host: "ava", Err: errors.New("denied")}, WaitsForCanary, "denied"),
	)

	It("waits for every host before it, and those that are not in the order come last", func() {
		order := []string{"ava", "cyd"}
		err := ask(order, 0, saying("ava", verdicts(good)), saying("cyd", soaking))
		Expect(err).To(MatchError(ContainSubstring("on cyd")))
		Expect(ask(order, 0, saying("ava", verdicts(good)), saying("cyd", verdicts(good)))).To(Succeed())
	})
})
