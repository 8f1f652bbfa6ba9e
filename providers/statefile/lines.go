package statefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"deployer/providers"
	"deployer/providers/internal/durable"
)

// Some files have one JSON object a line. They are appended to, and rewritten with what is
// to be kept once they hold twice that. Appends are not synced: such files are for people,
// and a power failure may cost them the last lines; a crash of the daemon costs none.

// readLines passes over lines that are not valid: what a power failure left. A file that
// is not there, or is no file, has none.
func readLines[T any](r Reader, name string, valid func(T) bool) ([]T, error) {
	data, err := r.read(name)
	if errors.Is(err, providers.ErrNotFound) || errors.Is(err, errBroken) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []T
	for line := range bytes.Lines(data) {
		var v T
		if json.Unmarshal(line, &v) == nil && valid(v) {
			out = append(out, v)
		}
	}
	return out, nil
}

// writeLines replaces a file; what a crash left of a last line goes, too.
func writeLines[T any](f *Files, name string, all []T) error {
	doing := "rewriting " + name
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	lines.SetEscapeHTML(false)
	for _, v := range all {
		if err := lines.Encode(v); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	if err := durable.WriteFile(f.root, name, out.Bytes(), 0o644); err != nil {
		return unavailable(doing, err)
	}
	return nil
}

// appendLine adds one line whole, or takes back what went in of it.
func (f *Files) appendLine(name string, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil {
		if _, err = file.Write(append(line, '\n')); err != nil {
			err = errors.Join(err, file.Truncate(info.Size()))
		}
	}
	return errors.Join(err, file.Close())
}
