package service

import (
	. "github.com/onsi/ginkgo/v2"

	v1 "deployer/api/v1"
)

var _ = Describe("the step health", func() {
	aStep{
		step:    stepHealth{v1.Primary},
		setup:   func(g *rig) { g.write(g.web("web", "v1", 8080)) },
		effects: nil,
	}.specs()
})
