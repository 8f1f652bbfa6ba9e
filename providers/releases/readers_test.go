package releases_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"deployer/providers"
)

// readAsOthersDo reads what systemd and Caddy read, and says what was not whole.
func readAsOthersDo(paths providers.Paths) error {
	upstream, err := os.ReadFile(paths.Upstream("web"))
	if err != nil || !strings.HasPrefix(string(upstream), "127.0.0.1:80") || !strings.HasSuffix(string(upstream), "\n") {
		return fmt.Errorf("the upstream file holds %q, %w", upstream, err)
	}
	for _, name := range []string{"env", "secrets", "revision", "release.json"} {
		content, err := os.ReadFile(filepath.Join(paths.Releases(), "web", "primary", name))
		if err != nil || len(content) == 0 {
			return fmt.Errorf("%s behind the pointer holds %d bytes, %w", name, len(content), err)
		}
	}
	_, err = os.Readlink(filepath.Join(paths.Releases(), "web", "primary", "root"))
	return err
}
