package v1_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
)

var _ = Describe("the name of a root", func() {
	It("can be taken apart again, whatever dashes the service's name has", func() {
		revision := v1.Release{StorePath: "/nix/store/x"}.Revision()
		for _, service := range []string{"web", "web-api", "a-1b2c3d4e5f6g", "0"} {
			s, r, ok := v1.ParseRootName(v1.RootName(service, revision))
			Expect(ok).To(BeTrue(), service)
			Expect(s).To(Equal(service))
			Expect(r).To(Equal(revision))
		}
	})

	DescribeTable("is not one of ours", func(name string) {
		_, _, ok := v1.ParseRootName(name)
		Expect(ok).To(BeFalse())
	},
		Entry("without a revision", "web"),
		Entry("by its last part, which is a word", "web-backup"),
		Entry("by its last part, which is too short", "web-1abc"),
		Entry("by its last part, which is too long", "web-1abcdefghijkl"),
		Entry("by a letter that base32hex has not", "web-1abcdefghijz"),
		Entry("without a hash version", "web-abcdefghijkl"),
		Entry("in upper case", "Web-1abcdefghijk"),
		Entry("of no service", "-1abcdefghijk"),
		Entry("of a standby, which no service is called", "web-standby-1abcdefghijk"),
	)
})
