// Releases that cannot hurt: good and bad ones, on a real host and under load, while everybody
// else on the host is asked, too. Rows F… are of the list of faults.
//
// Three variables make the runs longer: DEPLOYER_LOAD_RELEASES is how many releases are tried
// under load (50), DEPLOYER_LOAD_KILLS how often the daemon is killed (25; suite crash), and
// DEPLOYER_LOAD_SEED repeats a run's chances.
package rollout_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
	"deployer/test/suites/stage"
)

func TestRollout(t *testing.T) {
	env.Require(t)
	RegisterFailHandler(Fail)
	RunSpecs(t, "rollout")
}

const daemon = "biz-deployer.service"

var s *stage.Stage

var _ = BeforeSuite(func(ctx SpecContext) {
	s = stage.New(ctx, stage.Options{Caddy: stage.LoggingCaddy()})
	// In the cache before the first service wants it.
	s.OK(ctx, s.Laptop, "deploy-manifest", "add-service", `{"name":"carrier","hosts":["nowhere"],"artifact":{"storePath":"/nix/store/placeholder"}}`)
	for _, release := range closures() {
		s.Push(ctx, "carrier", release)
	}
})

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx) })

// closures are the store paths that releases take turns with.
func closures() []string { return []string{"one", "two", "three", "four"} }
