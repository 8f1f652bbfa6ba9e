package nix_test

import (
	"context"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/providers/nix"
)

var _ = Describe("A command as a child", func() {
	// tool is a program that does what the script says, in front of the PATH.
	tool := func(script string) nix.Command {
		GinkgoHelper()
		dir := GinkgoT().TempDir()
		Expect(os.WriteFile(filepath.Join(dir, "some-tool"), []byte("#!/bin/sh\n"+script+"\n"), 0o755)).To(Succeed()) //nolint:gosec // a program
		GinkgoT().Setenv("PATH", dir+":"+os.Getenv("PATH"))
		return nix.Command{Name: "some-tool"}
	}

	It("that dies of a Ctrl-C just before we hear of it was cancelled, and has not failed", func(ctx SpecContext) {
		ours, interrupt := context.WithCancel(ctx)
		defer interrupt()
		time.AfterFunc(100*time.Millisecond, interrupt)
		_, err := nix.ExecRunner{}.Run(ours, tool("kill -INT $$"))
		Expect(err).To(MatchError(context.Canceled))
	})

	It("that somebody else ends says by which signal", func(ctx SpecContext) {
		_, err := nix.ExecRunner{}.Run(ctx, tool("kill -KILL $$"))
		Expect(err).To(MatchError("running some-tool: it said nothing: signal: killed"))
	})

	It("that fails without a word says with what", func(ctx SpecContext) {
		_, err := nix.ExecRunner{}.Run(ctx, tool("exit 7"))
		Expect(err).To(MatchError("running some-tool: it said nothing: exit status 7"))
	})

	It("that fails says its last word", func(ctx SpecContext) {
		_, err := nix.ExecRunner{}.Run(ctx, tool("echo one >&2; echo error: two >&2; exit 1"))
		Expect(err).To(MatchError("running some-tool: error: two"))
	})
})
