// The daemon dies, and nobody notices: kill -9 at any moment of rollouts under load, and state
// files that nobody can read. Rows F… are of the list of faults; DEPLOYER_LOAD_KILLS (25),
// DEPLOYER_LOAD_MUTATIONS (25) and DEPLOYER_LOAD_SEED make other and longer runs.
package crash_test

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"

	"deployer/test/suites/stage"
)

func TestCrash(t *testing.T) {
	stage.Run(t, "crash")
}

const daemon = "biz-deployer.service"

var s *stage.Stage

var _ = BeforeSuite(func(ctx SpecContext) {
	s = stage.New(ctx, stage.Options{Caddy: stage.LoggingCaddy()})
	s.Carry(ctx, "one", "two")
})

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx) })

// chances are of a seed that is printed, and can be given.
func chances() *rand.Rand {
	GinkgoHelper()
	seed := stage.Length("DEPLOYER_LOAD_SEED", int(time.Now().UnixNano()%1e9))
	AddReportEntry("seed", "DEPLOYER_LOAD_SEED="+strconv.Itoa(seed), ReportEntryVisibilityAlways)
	return rand.New(rand.NewPCG(uint64(seed), 0))
}
