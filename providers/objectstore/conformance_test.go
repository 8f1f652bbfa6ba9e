package objectstore_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/conformance"
	"deployer/providers/objectstore"
)

var _ = Describe("A directory as a store", func() {
	var dir string
	BeforeEach(func() { dir = GinkgoT().TempDir() })
	conformance.Objects(func() providers.Objects {
		s, err := objectstore.Open(context.Background(), "file://"+dir, objectstore.Options{})
		Expect(err).NotTo(HaveOccurred())
		return s
	})
})

var _ = Describe("S3", Ordered, ContinueOnFailure, func() {
	var g *gateway
	BeforeAll(func() { g = startGateway() })

	Describe("a bucket", func() {
		conformance.Objects(func() providers.Objects { return g.open(g.addr, "") })
	})
	Describe("a prefix of a bucket", func() {
		conformance.Objects(func() providers.Objects { return g.open(g.addr, "team/one") })
	})
})
