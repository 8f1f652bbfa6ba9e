// The rows of the list of faults that concern releases and what they run on: each is a promise,
// and the specs name it.
package faults_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"

	"deployer/test/load"
	"deployer/test/suites/stage"
)

func TestFaults(t *testing.T) {
	stage.Run(t, "faults")
}

const daemon = "biz-deployer.service"

var s *stage.Stage

var _ = BeforeSuite(func(ctx SpecContext) {
	s = stage.New(ctx, stage.Options{})
	s.Carry(ctx, "one", "two")
})

var _ = JustAfterEach(func(ctx SpecContext) { s.ExplainFailures(ctx) })

// few connections are enough to see whether requests are lost.
func few(name string) load.Target {
	return stage.Asked(name, load.Mix{load.Get: 3, load.Post: 3, load.Slow: 1, load.HTTP2: 1})
}

func pid(ctx context.Context, name string) int {
	GinkgoHelper()
	return s.Info(ctx, name).PID
}

// settings are pairs of a name and a value.
func settings(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}
