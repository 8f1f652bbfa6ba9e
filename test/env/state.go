package env

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// labRecord is lab.json: what a later process must know to use a lab or to take it down. The
// directory is 0700, for the secrets are real within their lab.
type labRecord struct {
	Name string `json:"name"`
	// Boot is the boot of the outer machine that the lab belongs to: after another one, all of
	// it but its files is gone.
	Boot string `json:"boot"`
	// Owner is the process whose death ends the lab; nil means that it stays until told.
	Owner   *process          `json:"owner,omitempty"`
	Network int               `json:"network"`
	Secrets map[string]string `json:"secrets"`
}

// hostRecord is hosts/<name>.json.
type hostRecord struct {
	Name   string `json:"name"`
	Kind   Kind   `json:"kind"`
	Number int    `json:"number"`
}

// process names a process for ever: a PID alone is given out again.
type process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"`
}

func currentProcess() *process {
	return &process{PID: os.Getpid(), Start: startTime(os.Getpid())}
}

func (p *process) alive() bool {
	return p != nil && p.Start != "" && startTime(p.PID) == p.Start
}

// startTime is the kernel's start time of a process in clock ticks, or "" when it is gone.
func startTime(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The command name, in parentheses, may hold anything; the fields after it do not.
	_, rest, _ := strings.Cut(string(data[strings.LastIndexByte(string(data), ')'):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

func bootID() string {
	data, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data))
}

// lockState keeps every other process from making, changing or reaping labs. It is held for
// moments, never while a host boots.
func lockState() (unlock func(), err error) {
	if err := os.MkdirAll(stateRoot, 0o700); err != nil {
		return nil, fmt.Errorf("making %s: %w", stateRoot, err)
	}
	lock := flock.New(filepath.Join(stateRoot, ".lock"))
	if err := lock.Lock(); err != nil {
		return nil, fmt.Errorf("locking %s: %w", stateRoot, err)
	}
	return func() { _ = lock.Unlock() }, nil
}

func writeRecord(path string, record any) error {
	data, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	part := path + ".part"
	if err := os.WriteFile(part, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func readRecord(path string, record any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading a lab's state: %w", err)
	}
	if err := json.Unmarshal(data, record); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// labNames lists every lab that left a trace, in state or on disk.
func labNames() ([]string, error) {
	seen := map[string]bool{}
	var names []string
	for _, root := range []string{stateRoot, diskRoot} {
		entries, err := os.ReadDir(root)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("listing labs: %w", err)
		}
		for _, entry := range entries {
			if entry.IsDir() && !seen[entry.Name()] {
				seen[entry.Name()] = true
				names = append(names, entry.Name())
			}
		}
	}
	return names, nil
}
