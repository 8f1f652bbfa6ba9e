package listeners

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestListeners(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Listeners")
}

var _ = DescribeTable("an address of /proc/net is read",
	func(text, want string) {
		got, err := parseAddress(text)
		if want == "" {
			Expect(err).To(HaveOccurred())
			return
		}
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(netip.MustParseAddrPort(want)))
	},
	Entry(nil, "0100007F:1F90", "127.0.0.1:8080"),
	Entry(nil, "00000000:0016", "0.0.0.0:22"),
	Entry(nil, "00000000000000000000000000000000:0050", "[::]:80"),
	Entry(nil, "00000000000000000000000001000000:0050", "[::1]:80"),
	Entry("mapped IPv4 as IPv4", "0000000000000000FFFF00000100007F:0050", "127.0.0.1:80"),
	Entry(nil, "0100007F", ""),
	Entry(nil, "01:1F90", ""),
	Entry(nil, "0100007F:zz", ""),
)

var _ = Describe("listening sockets", func() {
	It("are found with the process that holds them, and gone when it closes them", func() {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		address := l.Addr().(*net.TCPAddr).AddrPort()
		c, err := net.Dial("tcp4", l.Addr().String())
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = c.Close() }()

		sockets, err := On(int(address.Port()))
		Expect(err).NotTo(HaveOccurred())
		Expect(sockets).To(HaveLen(1))
		Expect(sockets[0].Address).To(Equal(address))
		Expect(HeldBy(os.Getpid(), sockets)).To(Equal(sockets))
		pid, found := Holder(sockets)
		Expect(found).To(BeTrue())
		Expect(pid).To(Equal(os.Getpid()))

		Expect(l.Close()).To(Succeed())
		Expect(On(int(address.Port()))).To(BeEmpty(), "a connection with that port does not listen")
		Expect(HeldBy(os.Getpid(), sockets)).To(BeEmpty())
	})

	It("are read from the head of the table only, however many connections follow", func() {
		table := filepath.Join(GinkgoT().TempDir(), "tcp")
		line := func(address, state, inode string) string {
			return "   0: " + address + " 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000     0        0 " + inode + " 1 0 100 0 0 10 0\n"
		}
		Expect(os.WriteFile(table, []byte("  sl  local_address ...\n"+
			line("0100007F:0050", "0A", "11")+line("0100007F:0051", "0A", "12")+line("0100007F:0050", "01", "13")), 0o600)).To(Succeed())
		Expect(in(table, 80)).To(Equal([]Socket{{Address: netip.MustParseAddrPort("127.0.0.1:80"), Inode: "11"}}))
	})
})
