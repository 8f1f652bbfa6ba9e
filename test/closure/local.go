package closure

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Local is the machine that the test itself runs on, for tests inside a test host, which
// Install has prepared. Never the outer machine: it would build into its /nix.
type Local struct{}

// Exec runs a command and puts what it said into its error.
func (Local) Exec(ctx context.Context, args ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), errOut.String(), fmt.Errorf("running %v: %w: %s", args, err, errOut.String())
	}
	return out.String(), errOut.String(), nil
}

// Write writes a file, making its directory.
func (Local) Write(_ context.Context, path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, mode)
}
