package fake_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"

	"deployer/providers/conformance"
	"deployer/providers/fake"
)

var _ = Describe("The fake Nix", func() {
	conformance.Closures(func() conformance.ClosuresHost {
		world := fake.New()
		published := 0
		return conformance.ClosuresHost{
			Closures: world.Host().Closures,
			Publish: func(name string) string {
				published++
				storePath := fmt.Sprintf("/nix/store/%032d-%s", published, name)
				world.Publish(storePath)
				return storePath
			},
			Absent:  "/nix/store/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz-nowhere",
			Collect: world.CollectGarbage,
			Delete:  func(storePath string) { delete(world.Nix.OnDisk, storePath) },
		}
	})
})
