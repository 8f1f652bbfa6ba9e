package service

import (
	. "github.com/onsi/ginkgo/v2"
)

var _ = Describe("the step start", func() {
	aStep{
		step:    stepStart{},
		setup:   func(g *rig) { g.write(g.web("web", "v1", 8080)) },
		effects: []string{"units.Start"},
	}.specs()
})
