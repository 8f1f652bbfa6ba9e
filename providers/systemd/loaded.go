package systemd

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// loadedDiffers compares what systemd loaded with what the unit says. systemd loads a unit
// with a line that it does not understand, without that line, and says so only in the
// journal. A property that this systemd does not have is not compared.
func loadedDiffers(u Unit, p properties, link string) []string {
	if state := p.text("LoadState"); state != "loaded" {
		return []string{strings.TrimSpace("systemd says " + state + " " + p.loadError())}
	}
	var out []string
	if p.text("FragmentPath") != link {
		out = append(out, "loaded from "+p.text("FragmentPath"))
	}
	if stale, _ := p["NeedDaemonReload"].(bool); stale {
		out = append(out, "an older text is loaded")
	}
	for _, path := range p.strings("DropInPaths") {
		if filepath.Base(filepath.Dir(path)) == u.Name+".d" {
			out = append(out, "loaded drop-in "+filepath.Base(path))
		}
	}
	return append(out, linesDiffer(u, p)...)
}

func linesDiffer(u Unit, p properties) []string {
	var out []string
	seen := map[string]bool{}
	for _, l := range u.lines {
		if seen[l.key] {
			continue
		}
		seen[l.key] = true
		if !p.agrees(u, l) {
			out = append(out, "loaded "+l.key)
		}
	}
	return out
}

// agrees compares one directive with its property. Settings whose property has another
// shape than their text, and that no input of people reaches, are not compared.
func (p properties) agrees(u Unit, l directive) bool {
	switch l.key {
	case "ExecStart":
		return p.execAgrees(u.words)
	case "EnvironmentFile":
		return slices.Equal(p.firsts("EnvironmentFiles"), u.values("EnvironmentFile"))
	case "LoadCredential":
		return slices.Equal(p.pairs("LoadCredential"), u.values("LoadCredential"))
	case "After", "Before", "Conflicts", "Requires":
		return containsAll(p.strings(l.key), strings.Fields(l.value))
	case "RuntimeDirectory", "StateDirectory":
		return slices.Equal(p.strings(l.key), []string{unescape(l.value)})
	case "RestartSec", "RestartMaxDelaySec", "TimeoutStopSec", "TimeoutStartSec":
		return p.spanAgrees(strings.TrimSuffix(l.key, "Sec")+"USec", l.value)
	case "CapabilityBoundingSet", "AmbientCapabilities":
		v, ok := p[l.key].(uint64)
		return !ok || (v == 0) == (l.value == "")
	case "TasksMax", "UMask", "RestartSteps":
		return p.numberAgrees(l)
	case "MemoryMax", "CPUQuota", "StartLimitIntervalSec", "RequiresMountsFor":
		return p.setAgrees(l)
	}
	switch v := p[l.key].(type) {
	case bool:
		return yesNo(v) == l.value
	case string:
		return v == unescape(l.value)
	}
	return true
}

// values are those of all lines of that key, as systemd shows them.
func (u Unit) values(key string) []string {
	var out []string
	for _, l := range u.lines {
		if l.key == key {
			out = append(out, unescape(l.value))
		}
	}
	return out
}

// execAgrees: exactly one command, with our words and without substitution.
func (p properties) execAgrees(words []string) bool {
	list, ok := p["ExecStartEx"].([][]any)
	if !ok || len(list) != 1 || len(list[0]) < 3 {
		return false
	}
	path, _ := list[0][0].(string)
	argv, _ := list[0][1].([]string)
	flags, _ := list[0][2].([]string)
	return path == words[0] && slices.Equal(argv, words) && slices.Equal(flags, []string{"no-env-expand"})
}

func (p properties) spanAgrees(property, value string) bool {
	got, ok := p[property].(uint64)
	want, err := time.ParseDuration(value)
	return !ok || err == nil && got == uint64(want/time.Microsecond)
}

func (p properties) numberAgrees(l directive) bool {
	base := 10
	if l.key == "UMask" {
		base = 8
	}
	want, err := strconv.ParseUint(l.value, base, 64)
	_, known := p[l.key]
	return !known || err == nil && p.number(l.key) == want
}

// setAgrees only asks whether a limit took effect at all: what it comes to depends on
// the host's memory and on rounding.
func (p properties) setAgrees(l directive) bool {
	const unlimited = ^uint64(0)
	property := map[string]string{"MemoryMax": "MemoryMax", "CPUQuota": "CPUQuotaPerSecUSec"}[l.key]
	v, ok := p[property].(uint64)
	return !ok || v != unlimited
}

func containsAll(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, unescape(w)) {
			return false
		}
	}
	return true
}

func unescape(value string) string { return strings.ReplaceAll(value, "%%", "%") }
