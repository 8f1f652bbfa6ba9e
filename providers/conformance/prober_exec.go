package conformance

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

// CommandHost runs services and their health commands.
type CommandHost struct {
	// Probe is that of the Prober.
	Probe func(ctx context.Context, r providers.ProbeRequest) (providers.ProbeResult, error)
	// Running runs a slot, well, whose health command behaves like that, and gives the
	// question for it.
	Running func(ctx context.Context, slot v1.Slot, c HealthCommand) providers.ProbeRequest
}

// HealthCommand exits with that status, or never.
type HealthCommand struct {
	Status int
	Hangs  bool
}

// Commands registers the specs of a Prober about health.exec. Call it inside a container;
// open gives a new host for each spec.
func Commands(open func() CommandHost) {
	var host CommandHost
	BeforeEach(func() { host = open() })
	probe := func(ctx context.Context, r providers.ProbeRequest) providers.ProbeResult {
		GinkgoHelper()
		result, err := host.Probe(ctx, r)
		Expect(err).NotTo(HaveOccurred())
		return result
	}

	DescribeTable("judges the exit status of a health command, in either slot",
		func(ctx SpecContext, slot v1.Slot, status int, reason, answer string) {
			request := host.Running(ctx, slot, HealthCommand{Status: status})
			for range 3 {
				result := probe(ctx, request)
				Expect(result.OK).To(Equal(status == 0), "%+v", result)
				Expect(result.Reason).To(Equal(reason))
				Expect(result.Answer).To(HavePrefix(answer))
				Expect(result.URL).To(BeEmpty())
			}
		},
		Entry("0 is well", v1.Primary, 0, "", "exit status 0"),
		Entry("1 is not", v1.Primary, 1, "ExecFailed", "exit status 1"),
		Entry("3 is not", v1.Standby, 3, "ExecFailed", "exit status 3"),
		Entry("0 is well in the standby, too", v1.Standby, 0, "", "exit status 0"),
	)

	It("calls a health command that does not end in time unwell", func(ctx SpecContext) {
		request := host.Running(ctx, v1.Primary, HealthCommand{Hangs: true})
		request.Health.Timeout = v1.Duration(time.Second)
		began := time.Now()
		for range 2 {
			result := probe(ctx, request)
			Expect(result.OK).To(BeFalse())
			Expect(result.Reason).To(Equal("TimedOut"))
			Expect(result.Answer).To(ContainSubstring("within 1s"))
		}
		Expect(time.Since(began)).To(BeNumerically("<", unitsPatience))
	})
}
