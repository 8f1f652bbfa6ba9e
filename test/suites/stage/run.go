package stage

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
)

// Result is how a command ended.
type Result struct {
	Command  string
	Out, Err string
	Code     int
}

// String is for the text of failures.
func (r Result) String() string {
	return fmt.Sprintf("%s\nended with %d\nstdout: %s\nstderr: %s", r.Command, r.Code, r.Out, r.Err)
}

// Run runs a command on a host; every exit code is an answer.
func (s *Stage) Run(ctx context.Context, host *env.Host, args ...string) Result {
	GinkgoHelper()
	out, errOut, err := host.Exec(ctx, args...)
	r := Result{Command: host.Name + "# " + strings.Join(args, " "), Out: out, Err: errOut}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	default:
		Expect(err).NotTo(HaveOccurred(), r.Command)
	}
	GinkgoWriter.Println(Result{Command: r.Command, Out: beginning(r.Out), Err: beginning(r.Err), Code: r.Code})
	return r
}

// beginning keeps a journal out of the log of a suite.
func beginning(text string) string {
	const enough = 4000
	if len(text) <= enough {
		return text
	}
	return fmt.Sprintf("%s… and %d bytes more", text[:enough], len(text)-enough)
}

// OK runs a command that must succeed, and gives what it printed.
func (s *Stage) OK(ctx context.Context, host *env.Host, args ...string) string {
	GinkgoHelper()
	r := s.Run(ctx, host, args...)
	Expect(r.Code).To(Equal(0), r.String())
	return r.Out
}

// Refuses runs a command that must end with the code and with one plain sentence on stderr:
// one line, no trace, nothing on stdout. It gives the sentence.
func (s *Stage) Refuses(ctx context.Context, host *env.Host, code int, args ...string) string {
	GinkgoHelper()
	r := s.Run(ctx, host, args...)
	Expect(r.Code).To(Equal(code), r.String())
	Expect(r.Out).To(BeEmpty(), r.String())
	said := strings.TrimSuffix(r.Err, "\n")
	Expect(said).NotTo(BeEmpty(), r.String())
	Expect(strings.Split(said, "\n")).To(HaveLen(1), r.String())
	Expect(said).NotTo(ContainSubstring("goroutine"), r.String())
	return said
}

// Shell runs a script that must succeed, and gives what it printed.
func (s *Stage) Shell(ctx context.Context, host *env.Host, script string) string {
	GinkgoHelper()
	return s.OK(ctx, host, "sh", "-c", script)
}
