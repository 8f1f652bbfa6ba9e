package conformance

import (
	. "github.com/onsi/ginkgo/v2"

	"deployer/providers"
)

// Everything has one implementation of every interface, each as its suite wants it: the
// fake. A real host passes the suites one by one, adapter by adapter.
type Everything struct {
	Objects  func() providers.Objects
	Closures func() ClosuresHost
	Units    func() UnitsHost
	Releases func() providers.Releases
	Secrets  func() SecretsHost
	Routes   func() RoutesHost
	Prober   func() ProberHost
	Commands func() CommandHost
	Ports    func() PortsHost
	States   func() providers.States
	History  func() providers.History
	Holds    func() providers.Holds

	Leftovers func() LeftoversHost
}

// Host registers the specs of all interfaces. Call it at the top of a test file.
func Host(e Everything) bool {
	Describe("providers.Objects", func() { Objects(e.Objects) })
	Describe("providers.Closures", func() { Closures(e.Closures) })
	Describe("providers.Units", func() { Units(e.Units) })
	Describe("providers.Releases", func() { Releases(e.Releases) })
	Describe("providers.Secrets", func() { Secrets(e.Secrets) })
	Describe("providers.Routes", func() { Routes(e.Routes) })
	Describe("providers.Prober", func() { Prober(e.Prober) })
	Describe("providers.Prober of health commands", func() { Commands(e.Commands) })
	Describe("providers.Ports", func() { Ports(e.Ports) })
	Describe("providers.States", func() { States(e.States) })
	Describe("providers.History", func() { History(e.History) })
	Describe("providers.Holds", func() { Holds(e.Holds) })
	Describe("providers.Leftovers", func() { Leftovers(e.Leftovers) })
	return true
}
