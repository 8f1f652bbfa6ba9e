package service

import (
	. "github.com/onsi/ginkgo/v2"
)

var _ = Describe("the step install", func() {
	aStep{
		step:    stepInstall{},
		setup:   func(g *rig) { g.write(g.web("web", "v1", 8080)) },
		effects: []string{"releases.Point", "units.Install"},
	}.specs()
})
