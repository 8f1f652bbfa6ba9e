package service

import (
	. "github.com/onsi/ginkgo/v2"
)

var _ = Describe("the step route", func() {
	aStep{
		step:    stepRoute{},
		setup:   func(g *rig) { g.write(g.web("web", "v1", 8080)) },
		effects: []string{"routes.Put"},
		side:    true,
	}.specs()
})
