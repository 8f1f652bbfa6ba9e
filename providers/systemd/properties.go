package systemd

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// properties are a unit's, as D-Bus has them.
type properties map[string]any

func (p properties) text(name string) string {
	s, _ := p[name].(string)
	return s
}

func (p properties) number(name string) uint64 {
	switch v := p[name].(type) {
	case uint64:
		return v
	case uint32:
		return uint64(v)
	case int32:
		return uint64(max(v, 0))
	case int64:
		return uint64(max(v, 0))
	}
	return 0
}

// memory is nil where the kernel does not account it: systemd then shows the largest number.
func (p properties) memory() *uint64 {
	v, ok := p["MemoryCurrent"].(uint64)
	if !ok || v == ^uint64(0) {
		return nil
	}
	return &v
}

// exit tells how the main process last ended. Codes are those of waitid(2).
func (p properties) exit() (status int, signal string) {
	const exited, killed, dumped = 1, 2, 3
	status = int(p.number("ExecMainStatus"))
	switch p.number("ExecMainCode") {
	case exited:
		return status, ""
	case killed, dumped:
		return 0, strings.TrimPrefix(unix.SignalName(unix.Signal(status)), "SIG")
	}
	return 0, ""
}

func (p properties) strings(name string) []string {
	s, _ := p[name].([]string)
	return s
}

// firsts and pairs read lists of structures that begin with strings.
func (p properties) firsts(name string) []string {
	list, _ := p[name].([][]any)
	out := make([]string, 0, len(list))
	for _, row := range list {
		s, _ := row[0].(string)
		if len(row) > 1 && row[1] == true {
			s = "-" + s
		}
		out = append(out, s)
	}
	return out
}

func (p properties) pairs(name string) []string {
	list, _ := p[name].([][]any)
	out := make([]string, 0, len(list))
	for _, row := range list {
		if len(row) == 2 {
			out = append(out, fmt.Sprintf("%v:%v", row[0], row[1]))
		}
	}
	return out
}

// loadError is systemd's reason for not loading a unit.
func (p properties) loadError() string {
	e, _ := p["LoadError"].([]any)
	if len(e) < 2 {
		return ""
	}
	text, _ := e[1].(string)
	return text
}
