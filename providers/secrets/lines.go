package secrets

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

var names = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// The places in which systemd's reader of an EnvironmentFile= can be.
type place int

const (
	beforeName place = iota
	inName
	beforeValue // also behind a closed quote: another one may open
	inValue
	inSingle
	inDouble
	inComment
)

// badLine is the number of the first line that systemd would not take as it was meant,
// or 0. It walks as systemd does: comments begin with # or ;, a value may be in quotes
// and then run over lines, a backslash takes the next character along, a name is
// followed by '='. What systemd drops without a word is bad: a line without '=', a name
// that is none (`export X`), control characters, bytes that are no UTF-8. So is a quote
// that nothing closes, for it swallows the rest of the file.
func badLine(content []byte) int {
	w := walker{line: 1}
	rest, good := content, true
	for good && len(rest) > 0 {
		rest, good = w.step(rest)
	}
	switch {
	case !good:
		return w.first
	case w.at == inName, w.at == inSingle, w.at == inDouble, !readable(w.value):
		return w.first
	}
	return 0
}

// walker is in a place of a line; first is the line in which its assignment begins.
type walker struct {
	at          place
	line, first int
	name, value []byte
}

// step takes one byte, and with a backslash the next one, too; not good when the
// assignment that ends here is bad.
func (w *walker) step(content []byte) (rest []byte, good bool) {
	c, rest := content[0], content[1:]
	newline := c == '\n' || c == '\r'
	if c == '\n' {
		w.line++
	}
	switch {
	case newline && w.at == inName:
		return rest, false
	case newline && w.at != inSingle && w.at != inDouble:
		good = readable(w.value)
		w.at, w.name, w.value = beforeName, nil, nil
		return rest, good
	case c == '\\' && (w.at == beforeValue || w.at == inValue || w.at == inDouble):
		return w.escape(rest), true
	}
	return rest, w.plain(c)
}

// plain takes a byte that is neither the end of a line nor escapes another one.
func (w *walker) plain(c byte) bool {
	switch w.at {
	case beforeName:
		return w.begin(c)
	case inName:
		if c != '=' {
			w.name = append(w.name, c)
			return true
		}
		w.at = beforeValue
		return names.MatchString(strings.TrimRight(string(w.name), " \t"))
	case beforeValue:
		w.open(c)
	case inSingle:
		w.closeOr(c, '\'')
	case inDouble:
		w.closeOr(c, '"')
	case inValue:
		w.value = append(w.value, c)
	}
	return true
}

func (w *walker) begin(c byte) bool {
	switch c {
	case ' ', '\t':
	case '#', ';':
		w.at = inComment
	default:
		w.at, w.first, w.name = inName, w.line, []byte{c}
		if c == '=' {
			return false
		}
	}
	return true
}

func (w *walker) open(c byte) {
	switch c {
	case ' ', '\t':
	case '\'':
		w.at = inSingle
	case '"':
		w.at = inDouble
	default:
		w.at, w.value = inValue, append(w.value, c)
	}
}

func (w *walker) closeOr(c, quote byte) {
	if c == quote {
		w.at = beforeValue
		return
	}
	w.value = append(w.value, c)
}

// escape takes the character behind a backslash along; a line break there is only a
// longer line.
func (w *walker) escape(rest []byte) []byte {
	if w.at == beforeValue {
		w.at = inValue
	}
	switch {
	case len(rest) == 0:
		return rest
	case rest[0] == '\n':
		w.line++
	default:
		w.value = append(w.value, rest[0])
	}
	return rest[1:]
}

// readable: systemd keeps such a value.
func readable(value []byte) bool {
	if !utf8.Valid(value) {
		return false
	}
	for _, c := range value {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return true
}
