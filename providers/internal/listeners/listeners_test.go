package listeners

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
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

var _ = Describe("connections", func() {
	It("are counted on the side of the server only, and not before they are there or after", func() {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = l.Close() }()
		port := l.Addr().(*net.TCPAddr).Port
		Expect(Established(port)).To(BeZero())
		client, err := net.Dial("tcp4", l.Addr().String())
		Expect(err).NotTo(HaveOccurred())
		server, err := l.Accept()
		Expect(err).NotTo(HaveOccurred())
		Expect(Established(port)).To(Equal(1))
		Expect(Established(client.LocalAddr().(*net.TCPAddr).Port)).To(Equal(1), "the other side, by its own port")
		Expect(client.Close()).To(Succeed())
		Expect(server.Close()).To(Succeed())
		Eventually(func() (int, error) { return Established(port) }).Should(BeZero())
	})

	It("are found in a table of many thousands, within its own lines only", func() {
		table := filepath.Join(GinkgoT().TempDir(), "tcp")
		rest := " 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0\n"
		text := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
			"   0: 0100007F:1F90 00000000:0000 0A" + rest + // listens
			"   1: 0100007F:1F90 0100007F:D431 01" + rest + // counts
			"   2: 0100007F:D431 0100007F:1F90 01" + rest + // the client of it
			"   3: 0100007F:1F90 0100007F:D432 06" + rest + // TIME_WAIT
			"10000: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:D433 01" + rest // counts
		Expect(os.WriteFile(table, []byte(text+strings.Repeat("   4: 0100007F:0050 0100007F:D434 01"+rest, 20_000)), 0o600)).To(Succeed())
		Expect(establishedIn(table, 8080)).To(Equal(2))
		Expect(establishedIn(table, 80)).To(Equal(20_000))
		Expect(establishedIn(table, 0x0A)).To(BeZero())
	})
})
