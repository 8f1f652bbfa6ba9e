package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

const title = "program: busy"

// overwriteTitle writes over the memory in which the kernel put our arguments and our
// environment, as PostgreSQL and others do: /proc/PID/cmdline and environ then say nothing
// of what was started.
func overwriteTitle() error {
	start, end, err := titleMemory()
	if err != nil {
		return fmt.Errorf("overwriting the title: %w", err)
	}
	mem, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("overwriting the title: %w", err)
	}
	blank := bytes.Repeat([]byte{' '}, int(end-start))
	copy(blank, title)
	_, err = mem.WriteAt(blank, start)
	if err := errors.Join(err, mem.Close()); err != nil {
		return fmt.Errorf("overwriting the title: %w", err)
	}
	if err := os.WriteFile("/proc/self/comm", []byte("busy"), 0); err != nil {
		return fmt.Errorf("overwriting the title: %w", err)
	}
	return nil
}

// titleMemory finds, in /proc/self/stat, where the arguments begin and the environment
// behind them ends.
func titleMemory() (start, end int64, err error) {
	data, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, 0, err
	}
	// The name, which may hold anything, stands in parentheses; the state is field 3.
	const state, argStart, envEnd = 3, 48, 51
	rest := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(rest) <= envEnd-state {
		return 0, 0, errors.New("/proc/self/stat is too short")
	}
	start, errStart := strconv.ParseInt(rest[argStart-state], 10, 64)
	end, errEnd := strconv.ParseInt(rest[envEnd-state], 10, 64)
	if err := errors.Join(errStart, errEnd); err != nil {
		return 0, 0, err
	}
	if end <= start {
		return 0, 0, fmt.Errorf("no memory between %d and %d", start, end)
	}
	return start, end, nil
}
