package probe

import (
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers/internal/listeners"
)

var _ = DescribeTable("a connection to 127.0.0.1 is answered, as in the kernel,",
	func(want string, listening ...string) {
		var all []listeners.Socket
		for _, a := range listening {
			all = append(all, listeners.Socket{Address: netip.MustParseAddrPort(a), Inode: a})
		}
		got := ""
		for _, s := range answeringLoopback(all) {
			got += s.Inode
		}
		Expect(got).To(Equal(want))
	},
	Entry("by nobody", ""),
	Entry("by who listens on that address", "127.0.0.1:80", "0.0.0.0:80", "127.0.0.1:80", "[::]:80"),
	Entry("by who listens on all IPv4 addresses", "0.0.0.0:80", "[::]:80", "0.0.0.0:80"),
	Entry("by who listens on all addresses", "[::]:80", "[::1]:80", "[::]:80"),
	Entry("not by who listens on another address", "", "[::1]:80", "10.0.0.1:80", "127.0.0.2:80"),
	Entry("by all who share that address", "127.0.0.1:80127.0.0.1:80", "127.0.0.1:80", "127.0.0.1:80"),
)
