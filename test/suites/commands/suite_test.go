// Every command of the README is run as it stands, and what it says is looked at; and every
// command keeps the contract: help with examples, formats, exit codes, one plain sentence.
package commands_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"deployer/test/suites/stage"
)

func TestCommands(t *testing.T) {
	stage.Run(t, "commands")
}

var s *stage.Stage

var _ = BeforeSuite(func(ctx SpecContext) {
	s = stage.New(ctx, stage.Options{KeyName: "acme-1"})
})

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx) })
