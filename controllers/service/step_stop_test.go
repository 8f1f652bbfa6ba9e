package service

import (
	. "github.com/onsi/ginkgo/v2"
)

var _ = Describe("the step stop", func() {
	aStep{
		step: stepStop{},
		setup: func(g *rig) {
			g.write(g.web("web", "v1", 8080))
			g.settle("web")
			g.write()
		},
		effects: []string{"units.Stop"},
	}.specs()
})
