package service

import (
	. "github.com/onsi/ginkgo/v2"
)

var _ = Describe("the step stage", func() {
	aStep{
		step:    stepStage{},
		setup:   func(g *rig) { g.write(g.web("web", "v1", 8080)) },
		effects: []string{"releases.Stage"},
	}.specs()
})
