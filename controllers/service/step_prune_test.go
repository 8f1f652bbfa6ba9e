package service

import (
	. "github.com/onsi/ginkgo/v2"
)

var _ = Describe("the step prune", func() {
	aStep{
		step: stepPrune{},
		setup: func(g *rig) {
			for _, release := range []string{"v1", "v2", "v3"} {
				g.write(g.web("web", release, 8080))
				g.settle("web")
			}
			g.write(g.web("web", "v4", 8080))
		},
		effects: []string{"closures.Unroot", "releases.Discard"},
	}.specs()
})
