package stage

import (
	"fmt"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
)

// failuresFile, when it is set, gets what failed once more, in few lines. hack/test prints it
// after everything else: whoever sees only the end of a long run sees the reason.
const failuresFile = "DEPLOYER_FAILURES_FILE"

// failureLines bounds what is repeated of a failure.
const failureLines = 12

// Run runs the specs of a suite with the commands as they are built.
func Run(t *testing.T, name string) {
	t.Helper()
	env.RequireBuilt(t)
	RegisterFailHandler(Fail)
	ReportAfterSuite("what failed, in few lines", func(report Report) {
		if file := os.Getenv(failuresFile); file != "" {
			Expect(appendTo(file, failures(report))).To(Succeed())
		}
	})
	RunSpecs(t, name)
}

// failures tells of each failed spec where it failed and the first lines of why.
func failures(report Report) string {
	var out strings.Builder
	for _, spec := range report.SpecReports {
		if !spec.Failed() {
			continue
		}
		title := strings.TrimSpace(spec.LeafNodeType.String() + " " + spec.FullText())
		fmt.Fprintf(&out, "%s: %s\n  %s\n", report.SuiteDescription, title, spec.FailureLocation())
		for _, line := range firstLines(spec.FailureMessage(), failureLines) {
			fmt.Fprintf(&out, "    %s\n", line)
		}
	}
	return out.String()
}

func firstLines(text string, n int) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[:min(n, len(lines))]
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
