package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// countStart adds one to the number in the state directory and gives it as it reads it
// back: a program that cannot keep its state must not look well.
func countStart(dir string) (int, error) {
	if dir == "" {
		return 0, errors.New("counting starts: STATE_DIRECTORY is not set")
	}
	file := filepath.Join(dir, "starts")
	before, err := readCount(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("counting starts: %w", err)
	}
	part := file + ".part"
	if err := os.WriteFile(part, []byte(strconv.Itoa(before+1)+"\n"), 0o600); err != nil {
		return 0, fmt.Errorf("counting starts: %w", err)
	}
	if err := os.Rename(part, file); err != nil {
		return 0, fmt.Errorf("counting starts: %w", err)
	}
	now, err := readCount(file)
	if err == nil && now != before+1 {
		err = fmt.Errorf("wrote %d and read %d", before+1, now)
	}
	if err != nil {
		return 0, fmt.Errorf("counting starts: %w", err)
	}
	return now, nil
}

func readCount(file string) (int, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(data)))
}
