package cli

import (
	"io"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
)

var _ = Describe("the flags of a hold", func() {
	berlin := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 26, 17, 15, 30, 999, berlin)
	hold := func(args ...string) (v1.Hold, error) {
		var f HoldFlags
		c := &cobra.Command{Use: "hold"}
		c.SetOut(io.Discard)
		f.Add(c)
		Expect(c.ParseFlags(args)).To(Succeed())
		return f.Hold("ann@biz", now)
	}

	DescribeTable("say when it lapses", func(want string, args ...string) {
		h, err := hold(append(args, "--reason", " load test ")...)
		Expect(err).NotTo(HaveOccurred())
		Expect(h.Owner).To(Equal("ann@biz"))
		Expect(h.Reason).To(Equal("load test"))
		Expect(h.Forever).To(BeFalse())
		Expect(h.Until.Format(time.RFC3339)).To(Equal(want))
	},
		Entry("two hours when nobody says", "2026-11-26T18:15:30Z"),
		Entry(nil, "2026-11-26T16:45:30Z", "--for", "30m"),
		Entry(nil, "2026-11-29T16:15:30Z", "--for", "3d"),
		Entry("a time of today", "2026-11-26T17:30:00Z", "--until", "18:30"),
		Entry("one that has been today is tomorrow's", "2026-11-27T07:00:00Z", "--until", "08:00"),
		Entry(nil, "2026-12-24T17:30:00Z", "--until", "2026-12-24 18:30"),
		Entry(nil, "2026-12-24T18:30:00Z", "--until", "2026-12-24T18:30:00Z"),
	)

	It("let it be without end only when that is said", func() {
		h, err := hold("--forever", "--reason", "x")
		Expect(err).NotTo(HaveOccurred())
		Expect(h.Forever).To(BeTrue())
		Expect(h.Until).To(BeNil())
	})

	DescribeTable("are refused with what to write", func(says string, args ...string) {
		_, err := hold(args...)
		Expect(CodeOf(err)).To(Equal(ExitUsage))
		Expect(err).To(MatchError(ContainSubstring(says)))
	},
		Entry("no reason", "--reason", "--for", "1h"),
		Entry("a blank reason", "--reason", "--reason", "  "),
		Entry("a reason of two lines", "newline", "--reason", "a\nb"),
		Entry("two ends", "say one of", "--reason", "x", "--for", "1h", "--forever"),
		Entry("no span", `"soon" is not a span of time; write 30m, 2h or 3d`, "--reason", "x", "--for", "soon"),
		Entry("a span without a unit", "write 30m, 2h or 3d", "--reason", "x", "--for", "2"),
		Entry("nothing", "between a second", "--reason", "x", "--for", "0s"),
		Entry("less", "between a second", "--reason", "x", "--for", "-1h"),
		Entry("too long", "--forever has no end", "--reason", "x", "--for", "9999999d"),
		Entry("no number of days", "write 30m", "--reason", "x", "--for", "xd"),
		Entry("not a number of days", "between a second", "--reason", "x", "--for", "NaNd"),
		Entry("no time", `"tomorrow" is not a time; write 18:30, '2026-12-24 18:30' or 2026-11-26T19:15:30+01:00`, "--reason", "x", "--until", "tomorrow"),
		Entry("the past", "is in the past; it is 2026-11-26 17:15 CET now", "--reason", "x", "--until", "2026-11-26 17:15"),
	)
})
