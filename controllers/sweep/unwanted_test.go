package sweep

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
)

var _ = DescribeTable("what is unwanted", func(f facts, want ...string) {
	f.name = "web"
	got := []string{}
	for _, t := range unwanted(&f) {
		got = append(got, t.key())
	}
	Expect(got).To(Equal(append([]string{}, want...)))
},
	Entry("of a running service: a root that nothing needs", facts{
		assignment: v1.Assignment{Kind: v1.Assigned}, roots: []string{root("web", 2)}, units: running(instance("web", 1).String()),
	}, "root "+root("web", 2)),
	Entry("of a process that does not show what it runs: nothing", facts{
		assignment: v1.Assignment{Kind: v1.Assigned}, roots: []string{root("web", 2)}, units: running(""),
	}),
	Entry("of a stopped unit, which shows nothing either: a root that nothing needs", facts{
		assignment: v1.Assignment{Kind: v1.Assigned}, roots: []string{root("web", 2)}, units: []providers.UnitFacts{{Active: "failed"}, {Active: "inactive"}},
	}, "root "+root("web", 2)),
	Entry("of what a pointer names, though it is not whole: nothing", facts{
		assignment: v1.Assignment{Kind: v1.Assigned}, roots: []string{root("web", 2)}, releases: pointing(2), leftovers: broken(2),
	}),
	Entry("of what a process runs, though it is not whole: nothing", facts{
		assignment: v1.Assignment{Kind: v1.Assigned}, roots: []string{root("web", 2)}, leftovers: broken(2), units: running(instance("web", 2).String()),
	}),
	Entry("of what is wanted, though it is not whole: nothing", facts{
		assignment: v1.Assignment{Kind: v1.Assigned, Revision: revision("web", 2)}, roots: []string{root("web", 2)}, leftovers: broken(2),
	}),
	Entry("of a release directory that is not whole: that, and its root", facts{
		assignment: v1.Assignment{Kind: v1.Assigned, Revision: revision("web", 3)}, roots: []string{root("web", 2)},
		releases: pointing(1), leftovers: broken(2), units: running(instance("web", 1).String()),
	}, "root "+root("web", 2), "leftover "+damaged("web", 2).Path),

	Entry("of a removal that has a root to remove: nothing", facts{assignment: dismissed(), route: true, roots: []string{root("web", 1)}}),
	Entry("of a removal that has a unit to remove: nothing", facts{assignment: dismissed(), route: true, slots: []v1.Slot{v1.Standby}}),
	Entry("of a removal that has a pointer to remove: nothing", facts{assignment: dismissed(), route: true, files: true, releases: pointing(1)}),
	Entry("of a removal that has an upstream file to remove: nothing", facts{
		assignment: dismissed(), route: true, files: true, releases: providers.ReleaseFacts{Upstream: "127.0.0.1:8080"},
	}),
	Entry("of a removal that is over: all that is left", facts{assignment: dismissed(), route: true, files: true, leftovers: broken(1)},
		"route biz-deployer/web", "leftover "+damaged("web", 1).Path, "directory and upstream file of web"),

	Entry("of an unlisted service with a pointer: nothing", facts{roots: []string{root("web", 1)}, files: true, releases: pointing(1)}),
	Entry("of an unlisted service whose unit starts and starts: nothing", facts{
		roots: []string{root("web", 1)}, units: []providers.UnitFacts{{Active: "activating"}},
	}),
	Entry("of a service that is gone: units first, files last", facts{
		slots: []v1.Slot{v1.Primary, v1.Standby}, units: []providers.UnitFacts{{Active: "failed"}, {Active: "inactive"}},
		roots: []string{root("web", 1)}, files: true, leftovers: broken(1),
	}, "unit web.service", "unit web-standby.service", "root "+root("web", 1), "leftover "+damaged("web", 1).Path, "directory and upstream file of web"),
	Entry("of a service of which nothing is here: nothing", facts{}),
)

func dismissed() v1.Assignment { return v1.Assignment{Kind: v1.Dismissed} }

func running(instance string) []providers.UnitFacts {
	return []providers.UnitFacts{{Active: "active", Instance: instance}, {Active: "inactive"}}
}

func pointing(n int) providers.ReleaseFacts {
	return providers.ReleaseFacts{Pointers: map[v1.Slot]string{v1.Primary: instance("web", n).String()}}
}

func broken(n int) []leftover { return []leftover{{Leftover: damaged("web", n)}} }
