package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"

	v1 "deployer/api/v1"
)

func TestCLI(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "cmd/internal/cli")
}

// tree is a command with one subcommand that ends with err.
func tree(err error) *cobra.Command {
	root := &cobra.Command{Use: "tool", Short: "a tool"}
	root.SetOut(io.Discard)
	more := &cobra.Command{Use: "more", Args: cobra.NoArgs}
	more.AddCommand(&cobra.Command{Use: "deep", RunE: func(*cobra.Command, []string) error { return err }})
	root.AddCommand(more, &cobra.Command{Use: "do", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return err }})
	return root
}

var _ = Describe("exit codes", func() {
	_, invalid := v1.DecodeService([]byte(`{"name":"Web","nope":1}`))
	DescribeTable("say what the error means", func(err error, code int, text string) {
		var stderr bytes.Buffer
		root := tree(err)
		root.SetArgs([]string{"do"})
		Expect(Run(context.Background(), root, &stderr)).To(Equal(code))
		Expect(stderr.String()).To(Equal(text))
	},
		Entry("none", nil, ExitOK, ""),
		Entry("any error", errors.New("the disk is full"), ExitError, "tool: the disk is full\n"),
		Entry("a coded one", Exit(ExitFailed, errors.New("web failed")), ExitFailed, "tool: web failed\n"),
		Entry("a code without words", Exit(ExitDifferent, nil), ExitDifferent, ""),
		Entry("a wrapped code", fmt.Errorf("sync: %w", Exit(ExitUnknown, errors.New("no word"))), ExitUnknown, "tool: sync: no word\n"),
		Entry("what the person typed", Usagef("no service %s", "x"), ExitUsage, "tool: no service x\n"),
	)

	It("give invalid input 2", func() {
		Expect(invalid).To(HaveOccurred())
		Expect(CodeOf(fmt.Errorf("reading: %w", invalid))).To(Equal(ExitUsage))
	})

	DescribeTable("are 2, with the way out, for a wrong command line", func(args []string, says string) {
		var stderr bytes.Buffer
		root := tree(nil)
		root.SetArgs(args)
		Expect(Run(context.Background(), root, &stderr)).To(Equal(ExitUsage), stderr.String())
		Expect(stderr.String()).To(ContainSubstring(says))
	},
		Entry("a flag that is not there", []string{"do", "--nope"}, "`tool do --help` shows how it is used"),
		Entry("an argument too many", []string{"do", "x"}, "`tool do --help` shows how it is used"),
		Entry("a command that is not there", []string{"dont"}, `there is no command "dont"`),
		Entry("a command that is not there below another one", []string{"more", "den"}, `there is no command "den"; did you mean deep?; `+"`tool more --help`"),
	)

	It("stand in the help of every root command", func() {
		var out bytes.Buffer
		root := tree(nil)
		root.SetOut(&out)
		root.SetArgs([]string{"--help"})
		Expect(Run(context.Background(), root, io.Discard)).To(Equal(ExitOK))
		Expect(out.String()).To(ContainSubstring("Exit codes: 0 as wanted; 1 error; 2 usage"))
	})
})

var _ = Describe("the store", func() {
	var home string
	BeforeEach(func() {
		home = GinkgoT().TempDir()
		GinkgoT().Setenv("XDG_CONFIG_HOME", home)
		GinkgoT().Setenv(StoreEnv, "")
	})
	write := func(text string) {
		Expect(os.MkdirAll(filepath.Join(home, "deployer"), 0o755)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(home, "deployer", "config.yaml"), []byte(text), 0o600)).To(Succeed())
	}

	It("is found in the flag, then the environment, then a person's configuration", func() {
		write("store: file:///from-config\n")
		url, from, err := StoreURL("")
		Expect(err).NotTo(HaveOccurred())
		Expect(url).To(Equal("file:///from-config"))
		Expect(from).To(HaveSuffix("config.yaml"))

		GinkgoT().Setenv(StoreEnv, "file:///from-env")
		url, _, _ = StoreURL("")
		Expect(url).To(Equal("file:///from-env"))
		url, _, _ = StoreURL("file:///from-flag")
		Expect(url).To(Equal("file:///from-flag"))
	})

	It("missing everywhere is an error with the way out", func() {
		_, _, err := StoreURL("")
		Expect(CodeOf(err)).To(Equal(ExitUsage))
		Expect(err).To(MatchError(ContainSubstring("say --store")))
	})

	It("names the place of a bad URL", func() {
		_, _, err := OpenStore(context.Background(), "ftp://bucket")
		Expect(CodeOf(err)).To(Equal(ExitUsage))
		Expect(err).To(MatchError(ContainSubstring("--store")))
	})

	It("says which configuration is not YAML", func() {
		write("store: [\n")
		_, _, err := StoreURL("")
		Expect(err).To(MatchError(ContainSubstring("config.yaml is not valid YAML")))
	})
})

var _ = Describe("the signing key", func() {
	var dir string
	BeforeEach(func() {
		home := GinkgoT().TempDir()
		GinkgoT().Setenv("XDG_CONFIG_HOME", home)
		GinkgoT().Setenv(KeyEnv, "")
		dir = filepath.Join(home, "deployer")
		Expect(os.MkdirAll(dir, 0o700)).To(Succeed())
	})

	It("is the only secret there is, and asked for when there are two", func() {
		_, err := SigningKey("")
		Expect(err).To(MatchError(ContainSubstring("deploy-manifest keygen")))
		one := filepath.Join(dir, "one.secret")
		Expect(os.WriteFile(one, nil, 0o600)).To(Succeed())
		Expect(SigningKey("")).To(Equal(one))
		Expect(os.WriteFile(filepath.Join(dir, "two.secret"), nil, 0o600)).To(Succeed())
		_, err = SigningKey("")
		Expect(err).To(MatchError(ContainSubstring("say which one with --key")))
	})

	It("may be named by flag, environment and configuration, in that order", func() {
		Expect(os.WriteFile(filepath.Join(dir, "config.yaml"), []byte("signingKey: /from/config\n"), 0o600)).To(Succeed())
		Expect(SigningKey("")).To(Equal("/from/config"))
		GinkgoT().Setenv(KeyEnv, "/from/env")
		Expect(SigningKey("")).To(Equal("/from/env"))
		Expect(SigningKey("/from/flag")).To(Equal("/from/flag"))
	})
})

var _ = Describe("output", func() {
	data := map[string]string{"a": "<b>"}
	It("is JSON or YAML of the data, or the table", func() {
		for format, want := range map[Format]string{
			JSON: "{\n  \"a\": \"<b>\"\n}\n", YAML: "a: <b>\n", Table: "the table",
		} {
			var out bytes.Buffer
			Expect(Print(&out, format, data, func(w io.Writer) error { _, err := io.WriteString(w, "the table"); return err })).To(Succeed())
			Expect(out.String()).To(Equal(want))
		}
	})

	It("refuses another format by name", func() {
		var f Format
		Expect(f.Set("xml")).To(MatchError(`"xml" is not a format; there are table, json and yaml`))
	})
})
