package systemd_test

import (
	"errors"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	v1 "deployer/api/v1"
	"deployer/providers"
	"deployer/providers/systemd"
)

// What systemd 252 and 257 write of the ends of processes, newest entry first.
const (
	saidExit   = `{"__REALTIME_TIMESTAMP":"1000000","MESSAGE_ID":"98e322203f7a4ed290d09fe03c09fe15","INVOCATION_ID":"a","EXIT_CODE":"exited","EXIT_STATUS":"3"}`
	saidKill   = `{"__REALTIME_TIMESTAMP":"1000000","MESSAGE_ID":"98e322203f7a4ed290d09fe03c09fe15","INVOCATION_ID":"a","EXIT_CODE":"killed","EXIT_STATUS":"15"}`
	saidDump   = `{"__REALTIME_TIMESTAMP":"1000000","MESSAGE_ID":"98e322203f7a4ed290d09fe03c09fe15","INVOCATION_ID":"a","EXIT_CODE":"dumped","EXIT_STATUS":"6"}`
	saidFailed = `{"__REALTIME_TIMESTAMP":"1000900","MESSAGE_ID":"d9b373ed55a64feb8242e02dbe79a49c","INVOCATION_ID":"a","UNIT_RESULT":"exit-code"}`
	saidSlow   = `{"__REALTIME_TIMESTAMP":"1000900","MESSAGE_ID":"d9b373ed55a64feb8242e02dbe79a49c","INVOCATION_ID":"a","UNIT_RESULT":"timeout"}`
	saidDone   = `{"__REALTIME_TIMESTAMP":"2000000","MESSAGE_ID":"7ad2d189f7e94e70a38c781354912448","INVOCATION_ID":"b"}`
)

var _ = Describe("the last exit", func() {
	// reading gives the last exit of a host whose journalctl prints these lines.
	reading := func(ctx SpecContext, lines string) (providers.Exit, error) {
		GinkgoHelper()
		dir := GinkgoT().TempDir()
		program := filepath.Join(dir, "journalctl")
		Expect(os.WriteFile(filepath.Join(dir, "lines"), []byte(lines), 0o600)).To(Succeed())
		script := "#!/bin/sh\ncase \"$*\" in *--reverse*UNIT=web.service*) cat " + filepath.Join(dir, "lines") + ";; esac\n"
		Expect(os.WriteFile(program, []byte(script), 0o700)).To(Succeed())
		m, err := systemd.New(systemd.Options{Paths: providers.DefaultPaths(), Journalctl: program})
		Expect(err).NotTo(HaveOccurred())
		return m.LastExit(ctx, "web", v1.Primary)
	}

	DescribeTable("is what was said of the newest process",
		func(ctx SpecContext, lines, result string, status int, signal string) {
			exit, err := reading(ctx, lines)
			Expect(err).NotTo(HaveOccurred())
			Expect(exit.Result).To(Equal(result))
			Expect(exit.Status).To(Equal(status))
			Expect(exit.Signal).To(Equal(signal))
			Expect(exit.At.IsZero()).To(BeFalse())
		},
		Entry("it exited", saidFailed+"\n"+saidExit, "exit-code", 3, ""),
		Entry("it exited just now, and systemd has not said what it makes of it", saidExit, "exit-code", 3, ""),
		Entry("it was too slow", saidSlow+"\n"+saidKill, "timeout", 0, "TERM"),
		Entry("it crashed", saidDump, "core-dump", 0, "ABRT"),
		Entry("it ended well, after one that did not", saidDone+"\n"+saidFailed, "success", 0, ""),
	)

	It("has the time at which the process ended", func(ctx SpecContext) {
		exit, err := reading(ctx, saidFailed+"\n"+saidExit)
		Expect(err).NotTo(HaveOccurred())
		Expect(exit.At.UnixMicro()).To(BeEquivalentTo(1_000_000))
	})

	It("is not known where nothing was said, and where the journal cannot be read", func(ctx SpecContext) {
		_, err := reading(ctx, "")
		Expect(err).To(MatchError(providers.ErrNotFound))
		_, err = reading(ctx, "Permission denied")
		Expect(err).To(MatchError(providers.ErrUnavailable))
		Expect(errors.Is(err, providers.ErrNotFound)).To(BeFalse())
	})
})
