package install

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// record is what earlier runs wrote: path to the hash of its content. A file that still
// has that hash is ours, and may be brought up to date; any other one is somebody's.
type record map[string]string

func readRecord(path string) (record, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was installed before: %w", err)
	}
	r := record{}
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, nil //nolint:nilerr // only a memory: without it, what differs is taken for somebody's
	}
	return r, nil
}

// remember notes what a file has now.
func (i *installer) remember(path string, data []byte) error {
	if i.DryRun || i.record[path] == hashOf(data) {
		return nil
	}
	i.record[path] = hashOf(data)
	text, err := json.MarshalIndent(i.record, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(i.path(recordFile)), openDir)
	}
	if err == nil {
		err = renameio.WriteFile(i.path(recordFile), append(text, '\n'), openFile, renameio.WithStaticPermissions(openFile))
	}
	if err != nil {
		return fmt.Errorf("noting what was installed: %w", err)
	}
	return nil
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
