// deployerctl install on a machine on which only the programs are: the README's one command.
package install_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"deployer/test/suites/stage"
)

func TestInstall(t *testing.T) {
	stage.Run(t, "install")
}

var s *stage.Stage

var _ = BeforeSuite(func(ctx SpecContext) { s = stage.New(ctx, stage.Options{Bare: true}) })

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx) })
