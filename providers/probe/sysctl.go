package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"deployer/providers"
)

// span is ports from first to last.
type span struct{ first, last int }

// sysctl reads a setting of ports: two numbers that are a range, or a list such as
// 8080,9148-9150, which may be empty. A kernel without it has no such ports.
func (p *Ports) sysctl(name string) ([]span, error) {
	path := filepath.Join(p.sysctlDir, name)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the host's port settings: %w: %w", providers.ErrUnavailable, err)
	}
	text := strings.TrimSpace(string(data))
	if ends := strings.Fields(text); len(ends) == 2 {
		text = ends[0] + "-" + ends[1]
	}
	spans, err := parseSpans(text)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return spans, nil
}

func parseSpans(list string) ([]span, error) {
	if list == "" {
		return nil, nil
	}
	var out []span
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, errFrom := strconv.Atoi(first)
		to, errTo := strconv.Atoi(last)
		if err := errors.Join(errFrom, errTo); err != nil {
			return nil, fmt.Errorf("%q is not a list of ports", list)
		}
		out = append(out, span{from, to})
	}
	return out, nil
}
