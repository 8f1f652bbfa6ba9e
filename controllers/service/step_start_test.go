package service

import (
	. "github.com/onsi/ginkgo/v2"

	v1 "deployer/api/v1"
)

var _ = Describe("the step start", func() {
	aStep{
		step:    stepStart{v1.Primary},
		setup:   func(g *rig) { g.write(g.web("web", "v1", 8080)) },
		effects: []string{"units.Start"},
	}.specs()
})
