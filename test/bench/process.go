package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// watchedProcess is the main process of a unit; of PID 1 when the unit is empty.
type watchedProcess struct {
	what, unit           string
	budgetRSS, budgetCPU float64

	pid   int
	since time.Time
	ran   time.Duration
}

func (p *watchedProcess) begin(ctx context.Context) (err error) {
	p.pid = 1
	if p.unit != "" {
		out, err := exec.CommandContext(ctx, "systemctl", "show", "--value", "--property=MainPID", p.unit).Output()
		if err != nil {
			return fmt.Errorf("asking for the PID of %s: %w", p.unit, err)
		}
		if p.pid, err = strconv.Atoi(strings.TrimSpace(string(out))); err != nil || p.pid == 0 {
			return fmt.Errorf("%s does not run", p.unit)
		}
	}
	p.since = time.Now()
	p.ran, err = ran(p.pid)
	return err
}

// end gives the memory now and the share of one core since begin, in percent.
func (p *watchedProcess) end() (memory, float64, error) {
	now, err := ran(p.pid)
	if err != nil {
		return memory{}, 0, err
	}
	m, err := memoryOf(p.pid)
	return m, 100 * float64(now-p.ran) / float64(time.Since(p.since)), err
}

// ran is the time that a process's threads were on a CPU, in nanoseconds where ticks of
// 10 ms would say nothing.
func ran(pid int) (time.Duration, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		return 0, fmt.Errorf("process %d has no threads: %w", pid, errors.Join(err, os.ErrProcessDone))
	}
	var total time.Duration
	for _, thread := range threads {
		data, err := os.ReadFile(thread)
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(data), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading %s: %w", thread, err)
		}
		total += time.Duration(ns)
	}
	return total, nil
}

// memory is in MB of 2^20 bytes.
type memory struct {
	rss, pss, anonymous float64
}

// String tells what of the RSS the kernel could drop without asking: the binary's pages.
func (m memory) String() string {
	return fmt.Sprintf("%s anonymous + %s of the binary and other files", short(m.anonymous), short(m.rss-m.anonymous))
}

func memoryOf(pid int) (memory, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return memory{}, err
	}
	defer file.Close()
	var m memory
	into := map[string]*float64{"Rss:": &m.rss, "Pss:": &m.pss, "Anonymous:": &m.anonymous}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || into[fields[0]] == nil {
			continue
		}
		kB, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return memory{}, fmt.Errorf("reading %s: %w", file.Name(), err)
		}
		*into[fields[0]] = kB / 1024
	}
	return m, nil
}
