// A host whose daemon is away: what serves goes on, over deaths and boots, without it.
package away_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"deployer/test/suites/stage"
)

func TestAway(t *testing.T) {
	stage.Run(t, "away")
}

var s *stage.Stage

var _ = BeforeSuite(func(ctx SpecContext) { s = stage.New(ctx, stage.Options{}) })

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx) })
