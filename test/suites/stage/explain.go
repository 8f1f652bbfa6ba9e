package stage

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
)

// journalDir, when it is set, gets the whole journal of a host on which a spec failed.
const journalDir = "DEPLOYER_JOURNAL_DIR"

// ExplainFailures prints, when a spec failed, what a person would look at on the hosts. Call
// it from JustAfterEach.
func (s *Stage) ExplainFailures(ctx context.Context, hosts ...*env.Host) {
	if s == nil || !CurrentSpecReport().Failed() {
		return
	}
	for _, host := range append([]*env.Host{s.Biz}, hosts...) {
		if host == nil || !host.Running() {
			continue
		}
		status, said, _ := host.Exec(ctx, "deployerctl", "status")
		AddReportEntry("status of "+host.Name, status+said)
		journal, said, err := host.Exec(ctx, "journalctl", "--no-pager", "-o", "short-precise",
			"--since", "@"+strconv.FormatInt(CurrentSpecReport().StartTime.Unix(), 10))
		if err != nil {
			journal = err.Error() + said
		}
		AddReportEntry("journal of "+host.Name, lastLines(journal, 120))
		if dir := os.Getenv(journalDir); dir != "" {
			file := filepath.Join(dir, host.Name+"-"+strconv.FormatInt(time.Now().Unix(), 10)+".log")
			Expect(os.WriteFile(file, []byte(journal), 0o600)).To(Succeed())
			AddReportEntry("all of the journal of "+host.Name, file)
		}
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
