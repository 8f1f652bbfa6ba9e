package stage

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"deployer/test/env"
)

const adminLog = "/var/lib/caddy/admin.log"

// LoggingCaddy is Caddy's first configuration as it ships, with one thing added: what is asked
// of its admin API is written down, for CaddyWrites.
func LoggingCaddy() env.File {
	GinkgoHelper()
	root, err := env.RepoRoot()
	Expect(err).NotTo(HaveOccurred())
	data, err := os.ReadFile(filepath.Join(root, "config/caddy/caddy.json"))
	Expect(err).NotTo(HaveOccurred())
	var config map[string]any
	Expect(json.Unmarshal(data, &config)).To(Succeed())
	// Only the default log hears of the admin API; so the journal's gets another name.
	logs, ok := config["logging"].(map[string]any)["logs"].(map[string]any)
	Expect(ok).To(BeTrue())
	logs["journal"] = logs["default"]
	logs["default"] = map[string]any{
		"include": []string{"admin.api"},
		"writer":  map[string]any{"output": "file", "filename": adminLog, "mode": "0600"},
	}
	data, err = json.MarshalIndent(config, "", "  ")
	Expect(err).NotTo(HaveOccurred())
	return env.File{Path: "/etc/caddy/caddy.json", Data: data, Mode: 0o644}
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
