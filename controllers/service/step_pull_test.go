package service

import (
	. "github.com/onsi/ginkgo/v2"
)

var _ = Describe("the step pull", func() {
	aStep{
		step:    stepPull{},
		setup:   func(g *rig) { g.write(g.web("web", "v1", 8080)) },
		effects: []string{"closures.Pull"},
	}.specs()
})
