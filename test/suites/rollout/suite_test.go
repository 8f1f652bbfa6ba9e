// Releases that cannot hurt: good and bad ones, on a real host and under load, while everybody
// else on the host is asked, too.
//
// Three variables make the runs longer: DEPLOYER_LOAD_RELEASES is how many releases are tried
// under load (50), DEPLOYER_LOAD_KILLS how often the daemon is killed (25; suite crash), and
// DEPLOYER_LOAD_SEED repeats a run's chances.
package rollout_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"deployer/test/suites/stage"
)

func TestRollout(t *testing.T) {
	stage.Run(t, "rollout")
}

var s *stage.Stage

var _ = BeforeSuite(func(ctx SpecContext) {
	s = stage.New(ctx, stage.Options{Caddy: stage.LoggingCaddy()})
	s.Carry(ctx, closures()...)
})

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx) })

// closures are the store paths that releases take turns with.
func closures() []string { return []string{"one", "two", "three", "four"} }
