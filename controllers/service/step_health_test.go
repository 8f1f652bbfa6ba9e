package service

import (
	. "github.com/onsi/ginkgo/v2"
)

var _ = Describe("the step health", func() {
	aStep{
		step:    stepHealth{},
		setup:   func(g *rig) { g.write(g.web("web", "v1", 8080)) },
		effects: nil,
	}.specs()
})
