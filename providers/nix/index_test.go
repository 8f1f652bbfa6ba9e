package nix_test

import (
	. "github.com/onsi/ginkgo/v2"

	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/fake"
	"deployer/providers/nix"
)

var _ = Describe("the index of a cache", func() {
	conformance.CacheIndex(func() (providers.CacheIndex, providers.Objects) {
		store := fake.New().Store()
		return nix.NewIndex(store), store
	})
})
