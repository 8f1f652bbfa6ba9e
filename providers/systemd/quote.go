package systemd

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// longestLine is what systemd reads of one line of a unit (LONG_LINE_MAX); it refuses the
// whole file when a line is longer.
const longestLine = 1 << 20

// quoteWord writes one word of an Exec line so that systemd loads exactly that word.
// Specifiers and escapes are made literal; $ needs nothing, for the line starts with ':'.
func quoteWord(word string) (string, error) {
	if err := checkText(word); err != nil {
		return "", err
	}
	if word != "" && strings.IndexFunc(word, needsQuotes) < 0 {
		return word, nil
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(word) {
		switch c := word[i]; {
		case c == '%':
			b.WriteString("%%")
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}

func needsQuotes(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("_./:=,-", r)
}

// plainValue writes a value that systemd takes as one piece: a name, a path, a size. What
// could be taken for more than one piece is refused, for validation let it through.
func plainValue(value string) (string, error) {
	if err := checkText(value); err != nil {
		return "", err
	}
	if value == "" || strings.ContainsFunc(value, notPlain) || strings.HasSuffix(value, `\`) {
		return "", fmt.Errorf("%q is not a plain value", value)
	}
	return strings.ReplaceAll(value, "%", "%%"), nil
}

func notPlain(r rune) bool { return r <= ' ' || r == 0x7f || r == '"' || r == '\'' || r == ';' }

// checkText refuses what no quoting makes safe: a newline ends the line (one in a
// description once ran code as root), NUL ends the file, and systemd skips lines that are
// not UTF-8.
func checkText(s string) error {
	switch {
	case strings.ContainsAny(s, "\n\x00"):
		return fmt.Errorf("%q has a newline or a NUL in it", shorten(s))
	case !utf8.ValidString(s):
		return fmt.Errorf("%q is not UTF-8", shorten(s))
	case len(s) >= longestLine:
		return fmt.Errorf("%q is longer than systemd reads", shorten(s))
	}
	return nil
}

func shorten(s string) string {
	const enough = 60
	if len(s) <= enough {
		return s
	}
	return s[:enough] + "…"
}

// programPath puts a relative command of that field below the closure; nothing climbs out of it.
func programPath(field, root, command string) (string, error) {
	switch {
	case strings.ContainsAny(command, "\"'\\\x7f") || strings.ContainsFunc(command, func(r rune) bool { return r < ' ' }):
		return "", fmt.Errorf("%s: systemd takes no program of the name %q", field, shorten(command))
	case filepath.IsAbs(command) && filepath.Clean(command) == command && command != "/":
		return command, nil
	case !filepath.IsAbs(command) && filepath.IsLocal(command) && filepath.Clean(command) != ".":
		return filepath.Join(root, command), nil
	}
	return "", fmt.Errorf("%s: %q is not a path below the store path", field, shorten(command))
}

func quoteWords(words []string) (string, error) {
	out := make([]string, len(words))
	for i, w := range words {
		q, err := quoteWord(w)
		if err != nil {
			return "", err
		}
		out[i] = q
	}
	return strings.Join(out, " "), nil
}

func plainList(values []string) ([]string, error) {
	out := make([]string, len(values))
	for i, v := range values {
		p, err := plainValue(v)
		if err != nil {
			return nil, err
		}
		out[i] = p
	}
	return out, nil
}

// span writes a duration in a form that every systemd reads.
func span(d time.Duration) string {
	switch {
	case d%time.Second == 0:
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	case d%time.Millisecond == 0:
		return strconv.FormatInt(int64(d/time.Millisecond), 10) + "ms"
	}
	return strconv.FormatInt(int64(d/time.Microsecond), 10) + "us"
}
