package service

import (
	. "github.com/onsi/ginkgo/v2"
)

var _ = Describe("the step shift", func() {
	aStep{
		step:    stepShift{},
		setup:   func(g *rig) { g.write(g.web("web", "v1", 8080)) },
		effects: []string{"releases.Shift"},
	}.specs()
})
