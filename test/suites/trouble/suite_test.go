// Bad input and trouble on a real host: each gives one clear sentence in the command, or a
// reason in status, and changes nothing that worked. Rows F… are of the list of faults.
package trouble_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/suites/stage"
)

func TestTrouble(t *testing.T) {
	stage.Run(t, "trouble")
}

// steady runs in every spec, answers all the time, and is never touched.
const steady = "steady"

var (
	s     *stage.Stage
	watch *stage.Watch
	alien string
)

var _ = BeforeSuite(func(ctx SpecContext) {
	s = stage.New(ctx, stage.Options{})
	s.PlantForeign(ctx)
	s.Deploy(ctx, stage.Web(steady, 8200), "one")
	alien = s.Foreign(ctx)
})

// Whatever a spec does, what worked before answers all the time, and what is not ours stays
// byte-identical.
var _ = BeforeEach(func() { watch = s.StartWatch(context.Background(), steady, "one") })

var _ = AfterEach(func(ctx SpecContext) {
	watch.End()
	Expect(s.Foreign(ctx)).To(Equal(alien))
})

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx) })
