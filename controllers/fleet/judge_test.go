package fleet

import (
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
)

var _ = Describe("a service on a host", func() {
	m := manifestOf("biz")
	other := v1.Target{Revision: "1old", StorePath: "/nix/store/old"}
	judge := func(r Said) Row {
		GinkgoHelper()
		v := Judge(m, []Said{r}, "", now)
		Expect(v.Services).To(HaveLen(1))
		return v.Services[0]
	}
	rolling := func(s *v1.ServiceState) { s.State, s.Sync, s.Reason = v1.Rolling, v1.OutOfSync, "Soaking" }

	DescribeTable("by its state",
		func(outcome Outcome, isLive bool, changes ...func(*v1.ServiceState)) {
			row := judge(saying("biz", but(settled(m), changes...)))
			Expect(row.Outcome).To(Equal(outcome), row.Message)
			Expect(row.Live).To(Equal(isLive))
			Expect(row.Wanted).To(Equal(v1.Target{Revision: revisionOf(m), StorePath: path, Commit: "c1"}))
		},
		Entry("settled", AsWanted, true),
		Entry("settled, and ill since", Failed, true, func(s *v1.ServiceState) { s.Health = v1.Degraded }),
		Entry("soaking with the requests: live, and not settled", Going, true, rolling, func(s *v1.ServiceState) {
			s.Conditions = []v1.Condition{{Type: "StandbyServing", Status: v1.True}}
		}),
		Entry("up beside what serves: not live", Going, false, rolling, func(s *v1.ServiceState) {
			s.Serving = other
			s.Conditions = []v1.Condition{{Type: "Serving", Status: v1.True}}
		}),
		Entry("started in place, and not well yet: not live", Going, false, rolling, func(s *v1.ServiceState) {
			s.Conditions = []v1.Condition{{Type: "Serving", Status: v1.Unknown}}
		}),
		Entry("rolled back", Failed, false, func(s *v1.ServiceState) {
			s.State, s.Sync, s.Reason, s.Serving = v1.Stalled, v1.OutOfSync, "RolledBack", other
		}),
		Entry("on its way back: how that ends is not known", Going, false, func(s *v1.ServiceState) {
			s.State, s.Sync, s.Serving = v1.Reverting, v1.OutOfSync, other
		}),
		Entry("left alone, for it was bad elsewhere", Failed, false, func(s *v1.ServiceState) {
			s.State, s.Sync, s.Reason, s.Serving = v1.Waiting, v1.OutOfSync, HeldByFleet, other
		}),
		Entry("waiting for the canary", Going, false, func(s *v1.ServiceState) {
			s.State, s.Sync, s.Reason, s.Serving = v1.Waiting, v1.OutOfSync, WaitsForCanary, other
		}),
		Entry("held", Paused, false, func(s *v1.ServiceState) { s.State, s.Sync, s.Serving = v1.HeldState, v1.Held, other }),
		Entry("not seen by the last pass", Unknown, true, func(s *v1.ServiceState) { s.Sync = v1.SyncUnknown }),
		Entry("settled on what was wanted before", Going, false, func(s *v1.ServiceState) { s.Desired, s.Serving = other, other }),
		Entry("settled, of an older generation", Going, false, func(s *v1.ServiceState) { s.ObservedGeneration = 6 }),
	)

	DescribeTable("of which its host says nothing new",
		func(r Said, outcome Outcome, reason, text string) {
			row := judge(r)
			Expect(row).To(And(HaveField("Outcome", outcome), HaveField("Reason", reason), HaveField("Live", false)))
			Expect(row.Message).To(ContainSubstring(text))
		},
		Entry("no report", never("biz"), Unknown, "NoReport", "biz has never written a report"),
		Entry("an old one", old(saying("biz", settled(m)), 4*time.Minute), Unknown, "HostSilent", "biz has not reported for 4 min"),
		Entry("one that cannot be read", Said{Host: "biz", Err: errors.New("not JSON")}, Unknown, "Error", "not JSON"),
		Entry("of another manifest", func() Said { r := saying("biz", settled(m)); r.State.Lineage = "x"; return r }(),
			Unknown, "OtherLineage", "deployerctl adopt"),
		Entry("it refuses the newest manifest", func() Said {
			r := saying("biz", settled(m))
			r.State.ObservedGeneration = 5
			r.State.Conditions = []v1.Condition{{Type: "ManifestRead", Status: v1.False, Reason: "NeedsNewerDeployer", Message: "field x"}}
			return r
		}(), Unknown, "NeedsNewerDeployer", "obeys generation 5, not 7: field x"),
		Entry("it has not looked yet", func() Said { r := saying("biz", settled(m)); r.State.ObservedGeneration = 6; return r }(),
			Going, "NotLookedAt", "generation 7"),
		Entry("it has not come to the service yet", saying("biz"), Going, "NotLookedAt", "generation 7"),
	)

	It("without a release is as wanted", func() {
		m := manifestOf("biz")
		m.Services[0].Artifact = nil
		v := Judge(m, []Said{saying("biz", v1.ServiceState{Name: "web", State: v1.Waiting, Sync: v1.Synced, ObservedGeneration: 7})}, "", now)
		Expect(v.Worst()).To(Equal(AsWanted))
	})
})

var _ = Describe("the fleet", func() {
	m := manifestOf("ava", "biz")

	It("has a row per service and host, and the worst of them counts", func() {
		bad := but(settled(m), func(s *v1.ServiceState) { s.State = v1.Stalled })
		v := Judge(m, []Said{saying("biz", settled(m)), saying("ava", bad), never("gone")}, "", now)
		Expect(v.Services).To(HaveExactElements(HaveField("Host", "ava"), HaveField("Host", "biz")))
		Expect(v.Worst()).To(Equal(Failed))
		Expect(v.Hosts).To(HaveExactElements(
			And(HaveField("Name", "ava"), HaveField("Named", true), HaveField("Silent", false), HaveField("Generation", int64(7)), HaveField("Daemon", "v1")),
			HaveField("Name", "biz"),
			And(HaveField("Name", "gone"), HaveField("Named", false), HaveField("Silent", true))))
	})

	It("is unknown with a host that is silent, and not with one that is named nowhere", func() {
		v := Judge(m, []Said{saying("biz", settled(m)), never("ava")}, "", now)
		Expect(v.Worst()).To(Equal(Unknown))
		v = Judge(manifestOf("biz"), []Said{saying("biz", settled(m)), old(saying("former", settled(m)), time.Hour)}, "", now)
		Expect(v.Worst()).To(Equal(AsWanted))
		Expect(v.Services).To(HaveLen(1))
	})

	It("shows what a host has and the manifest does not want there, until it is gone", func() {
		left := v1.ServiceState{Name: "former", State: v1.Removing, Sync: v1.OutOfSync, ObservedGeneration: m.Generation}
		before := v1.ServiceState{Name: "gone", State: v1.Settled, Sync: v1.Synced, ObservedGeneration: m.Generation - 1}
		unlisted := v1.ServiceState{Name: "own", State: v1.Unlisted, Sync: v1.SyncUnknown}
		v := Judge(manifestOf("biz"), []Said{saying("biz", settled(m), left, before, unlisted)}, "", now)
		Expect(v.Services).To(HaveExactElements(
			And(HaveField("Service", "former"), HaveField("Outcome", Going), HaveField("Reason", BeEmpty())),
			And(HaveField("Service", "gone"), HaveField("Outcome", Going), HaveField("Reason", "NotLookedAt"), HaveField("Sync", v1.OutOfSync)),
			And(HaveField("Service", "own"), HaveField("Outcome", AsWanted)),
			And(HaveField("Service", "web"), HaveField("Outcome", AsWanted))))
	})

	It("of one service leaves the others out", func() {
		v := Judge(m, []Said{saying("biz", settled(m), v1.ServiceState{Name: "former", State: v1.Stalled})}, "web", now)
		Expect(v.Services).To(HaveExactElements(HaveField("Service", "web")))
	})
})
