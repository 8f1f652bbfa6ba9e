package tell_test

import (
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/controllers/tell"
)

var _ = DescribeTable("spans read at a glance", func(d time.Duration, want string) {
	Expect(tell.Span(d)).To(Equal(want))
},
	Entry(nil, -time.Hour, "0 s"), Entry(nil, time.Duration(0), "0 s"), Entry(nil, 350*time.Millisecond, "350 ms"),
	Entry(nil, 59*time.Second, "59 s"), Entry(nil, 3*time.Minute+59*time.Second, "3 min"), Entry(nil, 118*time.Minute, "1 h 58 min"),
	Entry(nil, 2*time.Hour, "2 h"), Entry(nil, 47*time.Hour+time.Minute, "47 h 1 min"), Entry(nil, 99*time.Hour, "4 d 3 h"), Entry(nil, 96*time.Hour, "4 d"),
)

var _ = DescribeTable("moments say how far away they are", func(d time.Duration, want string) {
	Expect(tell.Away(now.Add(d), now)).To(Equal(want))
},
	Entry(nil, -3*time.Minute, "3 min ago"), Entry(nil, -time.Millisecond, "just now"), Entry(nil, time.Duration(0), "just now"),
	Entry("what began a moment ago is still two hours", 2*time.Hour-time.Millisecond, "in 2 h"),
	Entry(nil, 117*time.Minute+30*time.Second, "in 1 h 58 min"), Entry(nil, 300*time.Millisecond, "in 1 s"),
)

var _ = Describe("holds", func() {
	It("say whose, until when and why", func() {
		until := now.Add(2 * time.Hour)
		Expect(tell.Hold(v1.Hold{Owner: "ann@biz", Reason: "load test", Until: &until}, now)).
			To(Equal("ann@biz until 2026-11-26 05:04 UTC (in 2 h): load test"))
		Expect(tell.StoredHold(v1.Hold{Owner: "ann@biz", Reason: "load test", Until: &until})).To(Equal("ann@biz until 2026-11-26 05:04 UTC: load test"))
		Expect(tell.Hold(v1.Hold{Forever: true}, now)).To(Equal("somebody, forever"))
		Expect(tell.Hold(v1.Hold{Owner: "ann@biz", Until: &until}, until.Add(time.Minute))).
			To(Equal("ann@biz until 2026-11-26 05:04 UTC (1 min ago)"))
	})
})

var _ = DescribeTable("healings say from a few times on what they mean", func(count int, want string) {
	Expect(tell.Healed(v1.Healed{Count: count, Last: now.Add(-20 * time.Second), What: "unit file"}, now)).To(Equal(want))
},
	Entry(nil, 1, "healed once in 10 min, last 20 s ago (unit file)"),
	Entry(nil, 3, "healed 3 times in 10 min, last 20 s ago (unit file): somebody else manages this"),
)

var _ = It("an account is data for programs, too", func() {
	a, _ := tell.Why(situations()["rolled-back-exited"], now)
	data, err := json.Marshal(a)
	Expect(err).NotTo(HaveOccurred())
	var back tell.Account
	Expect(json.Unmarshal(data, &back)).To(Succeed())
	Expect(back).To(Equal(a))
	Expect(back.Reason).To(Equal("RolledBack"))
})

var _ = DescribeTable("errors are told as part of a sentence", func(message, want string) {
	Expect(tell.Brief(message)).To(Equal(want))
},
	Entry("without the step", "pull: /nix/store/x is in no cache: push it", "/nix/store/x is in no cache: push it"),
	Entry("without what was being done, nor the cause of what is explained",
		"observing the route: reading the route of web: Caddy does not answer: see it: unavailable: dial unix: no such file", "Caddy does not answer: see it"),
	Entry("but with the cause where nothing explains it", "reading the releases of web: unavailable: input/output error", "input/output error"),
	Entry("without advice that is given elsewhere", "1abc ended by itself; look at `deployerctl logs web`, and push a fix or roll back", "1abc ended by itself"),
	Entry("on one line", "two\n lines.", "two lines"),
	Entry("of a URL as it is", "http://127.0.0.1:80/ answers: 502", "http://127.0.0.1:80/ answers: 502"),
)
