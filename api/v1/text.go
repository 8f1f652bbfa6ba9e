package v1

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// badText says what is wrong with a text that goes into a file, a unit or a terminal, or
// "". Control characters (a newline in a unit file once ran code as root), line and
// paragraph separators, directional overrides and the code points that systemd refuses
// are. What can be quoted is not: %, $, \ and quotes are the adapters' to escape.
func badText(s string, most int) string {
	if len(s) > most {
		return fmt.Sprintf("has %d bytes; at most %d", len(s), most)
	}
	if !utf8.ValidString(s) {
		return "is not UTF-8"
	}
	for _, r := range s {
		switch {
		case r == '\n':
			return "has a newline; it must be one line"
		case unicode.IsControl(r):
			return fmt.Sprintf("has the control character U+%04X", r)
		case r == 0x2028 || r == 0x2029 || (r >= 0x202A && r <= 0x202E) || (r >= 0x2066 && r <= 0x2069):
			return fmt.Sprintf("has the invisible character U+%04X", r)
		case (r >= 0xFDD0 && r <= 0xFDEF) || r&0xFFFE == 0xFFFE:
			return fmt.Sprintf("has U+%04X, which is no character", r)
		}
	}
	return ""
}

// consistsOf reports whether s is not empty and each byte is a letter, a digit or one of
// the extra bytes.
func consistsOf(s, extra string) bool {
	for i := range len(s) {
		if !isLetter(s[i]) && !isDigit(s[i]) && !contains(extra, s[i]) {
			return false
		}
	}
	return s != ""
}

func isLetter(c byte) bool { return isLower(c) || c >= 'A' && c <= 'Z' }
func isLower(c byte) bool  { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

func contains(set string, c byte) bool {
	for i := range len(set) {
		if set[i] == c {
			return true
		}
	}
	return false
}
