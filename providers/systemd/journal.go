package systemd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	v1 "deployer/api/v1"
	"deployer/providers"
)

const (
	journalTimeout = 10 * time.Second
	// longestJournal and longestMessage bound what a chatty program can make us keep.
	longestJournal = 10_000
	longestMessage = 4096
)

// Journal gives the last lines of the slot's unit, oldest first: what its processes said
// and what systemd said about it. Control characters are taken out, for the lines are
// shown on terminals.
func (m *Manager) Journal(ctx context.Context, service string, slot v1.Slot, o providers.JournalOptions) ([]string, error) {
	unit := v1.UnitName(service, slot)
	if o.Lines <= 0 {
		return nil, nil
	}
	args := []string{"--unit=" + unit, "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_PID"}
	if !o.Since.IsZero() {
		args = append(args, fmt.Sprintf("--since=@%d.%06d", o.Since.Unix(), o.Since.Nanosecond()/int(time.Microsecond)))
	}
	lines := min(o.Lines, longestJournal)
	entries, err := m.journal(ctx, lines, args...)
	if err != nil {
		return nil, unavailable("reading the journal of "+unit, err)
	}
	var out []string
	for _, e := range slices.Backward(entries) {
		out = append(out, e.lines()...)
	}
	return out[max(0, len(out)-lines):], nil
}

// journal gives that many entries at most, newest first: older versions of journalctl give
// the first ones after --since when they are not asked for in reverse.
func (m *Manager) journal(ctx context.Context, entries int, args ...string) ([]journalEntry, error) {
	program, err := m.journalctl()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, journalTimeout)
	defer cancel()
	// What a process said just before it died may still be on its way. When this fails,
	// what has arrived is still worth having.
	_ = exec.CommandContext(ctx, program, "--sync").Run()
	cmd := exec.CommandContext(ctx, program, append([]string{
		"--no-pager", "--quiet", "--reverse", "--output=json", "--lines=" + strconv.Itoa(entries),
	}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.Env = []string{"LC_ALL=C"}
	data, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return journalEntries(data)
}

// journalctl is looked for where distributions and NixOS have it, for the daemon may run
// with an empty PATH.
func (m *Manager) journalctl() (string, error) {
	candidates := []string{"/run/current-system/sw/bin/journalctl", "/usr/bin/journalctl", "/bin/journalctl"}
	if m.o.Journalctl != "" {
		candidates = []string{m.o.Journalctl}
	}
	for _, path := range candidates {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", errors.New("journalctl is not on this host")
}

// journalEntry is one entry of journalctl's JSON.
type journalEntry struct {
	Time    string          `json:"__REALTIME_TIMESTAMP"`
	Message json.RawMessage `json:"MESSAGE"`
	From    json.RawMessage `json:"SYSLOG_IDENTIFIER"`
	PID     json.RawMessage `json:"_PID"`
	journalExit
}

func journalEntries(data []byte) ([]journalEntry, error) {
	var out []journalEntry
	scanner := bufio.NewScanner(bytes.NewReader(data))
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		var e journalEntry
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("reading journalctl's answer: %w", err)
		}
		out = append(out, e)
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("reading journalctl's answer: %w", err)
	}
	return out, nil
}

func (e journalEntry) at() time.Time {
	micros, _ := strconv.ParseInt(e.Time, 10, 64)
	return time.UnixMicro(micros)
}

// lines gives an entry for people; a message may have several lines.
func (e journalEntry) lines() []string {
	head := e.at().UTC().Format("2006-01-02T15:04:05.000Z") + " " +
		clean(journalText(e.From)) + "[" + clean(journalText(e.PID)) + "]: "
	var out []string
	for line := range strings.SplitSeq(strings.TrimRight(journalText(e.Message), "\n"), "\n") {
		out = append(out, head+clean(line))
	}
	return out
}

// journalText reads a field: a string, a list of bytes when it is not clean text, or null
// when journalctl found it too long.
func journalText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil && len(raw) > 0 && raw[0] == '"' {
		return s
	}
	var numbers []int
	if json.Unmarshal(raw, &numbers) == nil && numbers != nil {
		b := make([]byte, len(numbers))
		for i, n := range numbers {
			b[i] = byte(n)
		}
		return string(b)
	}
	return "-"
}

// clean makes a line safe to print: no control characters, no broken UTF-8, not endless.
func clean(line string) string {
	if len(line) > longestMessage {
		line = line[:longestMessage] + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.In(r, unicode.Cf):
			return -1
		}
		return r
	}, strings.ToValidUTF8(line, "\uFFFD"))
}
