// The main job on a real host: a person edits a manifest in S3, and a machine with systemd,
// Nix and Caddy converges to it by itself.
package deploy_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"deployer/test/suites/stage"
)

func TestDeploy(t *testing.T) {
	stage.Run(t, "deploy")
}

// s is shared by all specs: each has services of its own, and leaves S3 and the daemon running.
var s *stage.Stage

var _ = BeforeSuite(func(ctx SpecContext) {
	config := stage.Quick()
	config["metrics"] = map[string]any{"listen": metricsAddress}
	s = stage.New(ctx, stage.Options{Config: config})
})

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx) })
