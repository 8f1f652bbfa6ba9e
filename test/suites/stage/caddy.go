package stage

import (
	"context"
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const adminLog = "/var/lib/caddy/admin.log"

// LoggingCaddy is laid over Caddy's first configuration: what is asked of its admin API is
// written down, for CaddyWrites. Only the default log hears of that, so the journal gets
// another one.
func LoggingCaddy() map[string]any {
	return map[string]any{"logging": map[string]any{"logs": map[string]any{
		"journal": map[string]any{"exclude": []string{"admin.api"}},
		"default": map[string]any{
			"exclude": nil,
			"include": []string{"admin.api"},
			"writer":  map[string]any{"output": "file", "filename": adminLog, "mode": "0600"},
		},
	}}}
}

// CaddyWrites counts what would have changed Caddy's configuration, ever: every request to its
// admin API that does not only read. The host needs LoggingCaddy.
func (s *Stage) CaddyWrites(ctx context.Context) int {
	GinkgoHelper()
	log, err := s.Biz.Read(ctx, adminLog)
	Expect(err).NotTo(HaveOccurred())
	writes := 0
	for line := range strings.Lines(string(log)) {
		var entry struct{ Method string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Method != "" && entry.Method != "GET" {
			writes++
		}
	}
	return writes
}

// CaddyConfig is all that Caddy has in force, and its etag.
func (s *Stage) CaddyConfig(ctx context.Context) string {
	GinkgoHelper()
	return s.OK(ctx, s.Biz, "curl", "-fsS", "-w", "%header{etag}", "--unix-socket", "/run/caddy/admin.sock", "http://localhost/config/")
}
