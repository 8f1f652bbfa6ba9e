package nix_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers"
	"deployer/providers/fake"
	"deployer/providers/nix"
	"deployer/test/env"
)

// said builds what a daemon says: numbers, and texts padded to eight bytes.
func said(words ...any) (out []byte) {
	for _, w := range words {
		switch w := w.(type) {
		case int:
			out = binary.LittleEndian.AppendUint64(out, uint64(w)) //nolint:gosec // written in this file
		case string:
			out = binary.LittleEndian.AppendUint64(out, uint64(len(w)))
			out = append(append(out, w...), make([]byte, (8-len(w)%8)%8)...)
		}
	}
	return out
}

const (
	daemonMagic = 0x6478696f
	daemonToday = 1<<8 | 38
	saysNext    = 0x6f6c6d67
	saysLast    = 0x616c7473
	saysError   = 0x63787470
)

// daemonSaying listens where nix-daemon would, below a directory that it returns; it takes
// one client's greeting, and then answers each question with the next of its answers.
func daemonSaying(greeting []byte, answers ...[]byte) (diskRoot string) {
	GinkgoHelper()
	// The path of a socket may have 108 bytes, and those of Ginkgo's are long.
	root, err := os.MkdirTemp("", "nix")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, root)
	dir := filepath.Join(root, "nix/var/nix/daemon-socket")
	Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(listener.Close)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		number := func() uint64 {
			var b [8]byte
			_, _ = io.ReadFull(in, b[:])
			return binary.LittleEndian.Uint64(b[:])
		}
		_ = number() // the client's magic
		_, _ = conn.Write(greeting)
		for range 3 {
			_ = number()
		}
		_, _ = conn.Write(said(saysLast))
		for _, answer := range answers {
			_ = number()
			n := int(number()) //nolint:gosec // the length of a store path
			_, _ = io.CopyN(io.Discard, in, int64((n+7)/8*8))
			_, _ = conn.Write(answer)
		}
	}()
	return root
}

func askDaemonIn(ctx context.Context, diskRoot string, paths ...string) (map[string]nix.Known, error) {
	GinkgoHelper()
	manager, err := nix.New(nix.Options{
		Paths:    providers.Paths{StateDir: GinkgoT().TempDir(), RootsDir: filepath.Join(GinkgoT().TempDir(), "biz")},
		Objects:  fake.New().Store(),
		DiskRoot: diskRoot, QueryTimeout: 300 * time.Millisecond,
	})
	Expect(err).NotTo(HaveOccurred())
	return manager.AskDaemon(ctx, paths...)
}

// valid is the daemon's answer about a path with these references.
func valid(hash string, refs ...string) []byte {
	out := said(saysLast, 1, "", hash, len(refs))
	for _, r := range refs {
		out = append(out, said(r)...)
	}
	return append(out, said(1700000000, 120, 0, 1, "key:sig", "")...)
}

var _ = Describe("nix-daemon", func() {
	hash := strings.Repeat("0", 64)
	hello := said(daemonMagic, daemonToday)
	web, lib := pathOf("web"), pathOf("lib")

	It("is asked for a path and all that it needs, and not for what is not valid", func(ctx SpecContext) {
		root := daemonSaying(hello, valid(hash, web, lib), append(said(saysNext, "a remark"), said(saysLast, 0)...), valid(hash))
		got, err := askDaemonIn(ctx, root, web, pathOf("gone"))
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(HaveLen(2))
		Expect(got[web]).To(Equal(nix.Known{
			NarHash: "sha256:" + strings.Repeat("0", 52), NarSize: 120, Refs: []string{web, lib},
		}))
		Expect(got[lib].Refs).To(BeEmpty())
	})

	DescribeTable("leaves the question to the commands, and adds nothing, when", func(ctx SpecContext, greeting []byte, answers ...[]byte) {
		got, err := askDaemonIn(ctx, daemonSaying(greeting, answers...), web)
		Expect(err).To(HaveOccurred())
		Expect(got).To(BeEmpty())
	},
		Entry("something else listens there", said(0x50545448, daemonToday)),
		Entry("it is too old", said(daemonMagic, 1<<8|10)),
		Entry("it speaks the next major version", said(daemonMagic, 2<<8|38)),
		Entry("it hangs up", hello),
		Entry("it reports an error", hello, said(saysError, "no such database", 1)),
		Entry("it sends a message that is newer than we are", hello, said(0x53545254, 1, 2, 3)),
		Entry("it hangs up in the middle of an answer", hello, valid(hash, lib)[:100]),
		Entry("a dependency is not told of", hello, valid(hash, lib)),
		Entry("a reference is no store path", hello, valid(hash, "/etc/passwd")),
		Entry("a hash is none", hello, valid("abc")),
		Entry("a length is absurd", hello, said(saysLast, 1, "", hash, 1<<40)),
	)

	It("is not missed where there is none", func(ctx SpecContext) {
		_, err := askDaemonIn(ctx, GinkgoT().TempDir(), web)
		Expect(err).To(MatchError(os.ErrNotExist))
	})
})

var _ = Describe("A real nix-daemon", Label("real"), func() {
	if !env.Inside() {
		return
	}

	It("says the same as the commands, and writes nothing to say it", func(ctx SpecContext) {
		host := newRealHost()
		web := host.publish("web")
		Expect(host.Root(ctx, "daemon", web)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(host.Unroot(ctx, "daemon")).To(Succeed()) })
		Expect(host.Pull(ctx, web)).To(Succeed())
		gone := pathOf("gone")
		before := databaseStamps()

		options := host.options
		options.Queries = nix.ExecRunner{}
		commands, err := nix.New(options)
		Expect(err).NotTo(HaveOccurred())
		want, err := commands.AskCommands(ctx, web, gone)
		Expect(err).NotTo(HaveOccurred())
		began := time.Now()
		got, err := host.AskDaemon(ctx, web, gone)
		Expect(err).NotTo(HaveOccurred())
		GinkgoWriter.Printf("asking nix-daemon took %v\n", time.Since(began))
		Expect(len(got)).To(BeNumerically(">", 2), "the closure has dependencies")
		for p := range want {
			Expect(got[p].Refs).To(ConsistOf(want[p].Refs))
			Expect(got[p].NarHash).To(Equal(want[p].NarHash))
			Expect(got[p].NarSize).To(Equal(want[p].NarSize))
		}
		Expect(got).To(HaveLen(len(want)))
		Expect(databaseStamps()).To(Equal(before), "else every pass would ask again")
	})
})

// databaseStamps are the times of the last write to the Nix database.
func databaseStamps() map[string]time.Time {
	stamps := map[string]time.Time{}
	for _, name := range []string{"db.sqlite", "db.sqlite-wal"} {
		if info, err := os.Stat(filepath.Join("/nix/var/nix/db", name)); err == nil {
			stamps[name] = info.ModTime()
		}
	}
	return stamps
}
