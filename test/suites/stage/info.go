package stage

import (
	"context"
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// Info is what the test program says of itself.
type Info struct {
	PID, Parent, Starts int
	Release, Port       string
}

// Info asks the process that answers for a service.
func (s *Stage) Info(ctx context.Context, name string) (info Info) {
	GinkgoHelper()
	text, err := s.Get(ctx, name, "/info")
	Expect(err).NotTo(HaveOccurred())
	Expect(json.Unmarshal([]byte(text), &info)).To(Succeed())
	return info
}

// Said counts the lines of biz's journal that have a text, of everything under a name.
func (s *Stage) Said(ctx context.Context, identifier, text string) int {
	GinkgoHelper()
	n := 0
	for line := range strings.Lines(s.OK(ctx, s.Biz, "journalctl", "--no-pager", "-o", "cat", "-t", identifier)) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
