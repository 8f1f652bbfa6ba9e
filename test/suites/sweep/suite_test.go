// The sweep on a real host: what is ours and wanted by nobody goes, all else stays.
package sweep_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"deployer/test/suites/stage"
)

func TestSweep(t *testing.T) {
	stage.Run(t, "sweep")
}

var s *stage.Stage

var _ = BeforeSuite(func(ctx SpecContext) {
	config := stage.Quick()
	config["sweep"] = map[string]any{"every": "1s", "grace": "1s"}
	s = stage.New(ctx, stage.Options{Config: config})
})

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx) })
