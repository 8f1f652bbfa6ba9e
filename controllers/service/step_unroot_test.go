package service

import (
	. "github.com/onsi/ginkgo/v2"
)

var _ = Describe("the step unroot", func() {
	aStep{
		step: stepUnroot{},
		setup: func(g *rig) {
			g.write(g.web("web", "v1", 8080))
			g.settle("web")
			g.write()
		},
		effects: []string{"closures.Unroot"},
	}.specs()
})
