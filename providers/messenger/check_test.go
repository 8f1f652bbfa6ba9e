package messenger

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a program that is to be run", func() {
	var dir, ran string
	BeforeEach(func() {
		dir = GinkgoT().TempDir()
		ran = filepath.Join(dir, "ran")
	})
	program := func(text string, mode os.FileMode) string {
		GinkgoHelper()
		path := filepath.Join(dir, "tell")
		Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
		Expect(os.Chmod(path, mode)).To(Succeed())
		return path
	}

	It("is fine when it could be, and is not run", func() {
		Expect(CheckProgram(program("#!/bin/sh\ntouch "+ran+"\n", 0o755))).To(Succeed())
		Expect(CheckProgram("/bin/sh")).To(Succeed())
		Expect(ran).NotTo(BeAnExistingFile())
	})

	It("is not when it is not there, a directory, not executable, or a script of nobody", func() {
		Expect(CheckProgram(filepath.Join(dir, "none"))).To(MatchError(ContainSubstring("there is no " + dir)))
		Expect(CheckProgram(dir)).To(MatchError(ContainSubstring("is no file")))
		Expect(CheckProgram(program("#!/bin/sh\n", 0o644))).To(MatchError(ContainSubstring("is not executable")))
		Expect(CheckProgram(program("#! /nonexistent/python3 -u\n", 0o755))).To(MatchError(ContainSubstring("there is no /nonexistent/python3")))
	})
})
